//! The pass-through's rows: as the engine's, of one record each. Enters: a record's place. Leaves: a row
//! with that place as one of its inputs, as many bytes as the engine's rows have, keyed by a facility.

use wellstream_core::encode::{Origin, PartEncoder, RowEncoder, RowTail};
use wellstream_core::record::{Input, PartitionId, Row, RowBatch, Side, Status, TankReading, WellReading};
use wellstream_core::rules::{RulesHash, ScoreRules};
use wellstream_core::score;

/// Makes rows.
pub(crate) struct Rows {
    encoder: RowEncoder,
    wells: Vec<PartEncoder>,
    tanks: Vec<PartEncoder>,
    /// The other half of a tank's row: a well reading of each facility.
    partners: Vec<Vec<u8>>,
    /// The other half of a well's row.
    partner: Vec<u8>,
    facilities: Vec<String>,
    part: Vec<u8>,
    every: u64,
    seen: u64,
}

impl Rows {
    /// For so many partitions of each side; a row for each `every`-th record.
    pub(crate) fn new([wells, tanks]: [u32; 2], every: u64) -> Rows {
        let facilities: Vec<_> = (0..FACILITIES).map(|number| format!("FAC-{number:05}")).collect();
        let encoders = |side, count| {
            (0..count).map(|number| PartEncoder::new(PartitionId { side, number })).collect::<Vec<_>>()
        };
        let mut rows = Rows {
            encoder: RowEncoder::new(RulesHash(0)),
            wells: encoders(Side::Well, wells),
            tanks: encoders(Side::Tank, tanks),
            partners: Vec::new(),
            partner: Vec::new(),
            facilities,
            part: Vec::new(),
            every: every.max(1),
            seen: 0,
        };
        for facility in &rows.facilities {
            let mut part = Vec::new();
            put_well(&mut part, &rows.wells[0], facility, 0);
            rows.partners.push(part);
        }
        put_tank(&mut rows.partner, &rows.tanks[0], &rows.facilities[0], 0);
        rows
    }

    /// Takes a record: its row, if it has one, goes to the batch.
    pub(crate) fn put(&mut self, batch: &mut RowBatch, partition: PartitionId, offset: i64) {
        self.seen += 1;
        if !self.seen.is_multiple_of(self.every) {
            return;
        }
        let number = partition.number as usize;
        let facility = usize::try_from(offset.unsigned_abs() % FACILITIES).unwrap_or(0);
        self.part.clear();
        let here = Input { time_ms: TIME_MS, partition: partition.number, offset };
        let nowhere = Input { time_ms: TIME_MS, partition: 0, offset: 0 };
        let (well, tank, parts) = match partition.side {
            Side::Well => {
                put_well(&mut self.part, &self.wells[number], &self.facilities[facility], offset);
                (here, nowhere, [&self.part, &self.partner])
            }
            Side::Tank => {
                put_tank(&mut self.part, &self.tanks[number], &self.facilities[facility], offset);
                (nowhere, here, [&self.partners[facility], &self.part])
            }
        };
        let tail = RowTail { time_ms: TIME_MS, quality: 75, risk: 10, status: Status::Normal };
        let [well_part, tank_part] = parts;
        let (value, key) = self.encoder.put(&mut batch.bytes, Some(well_part), Some(tank_part), tail);
        batch.rows.push(Row {
            well: Some(well),
            tank: Some(tank),
            time_ms: TIME_MS,
            risk: tail.risk,
            status: tail.status,
            value,
            key,
        });
    }
}

fn put_well(out: &mut Vec<u8>, encoder: &PartEncoder, facility: &str, offset: i64) {
    let reading = WellReading {
        well_id: Some("WELL-000001"),
        facility_id: Some(facility),
        timestamp: Some(TIME_MS),
        methane_ppm: Some(120.5),
        co2_ppm: Some(400.0),
        pressure_psi: Some(900.25),
        temperature_f: Some(88.0),
        flow_rate_bpd: Some(512.0),
        vibration_encoded: Some("dmliX2RhdGFfeHl6"),
        pump_status: Some("active"),
        maintenance_alert: Some(false),
    };
    let class = score::well(120.5, &ScoreRules::default());
    encoder.well(out, &reading, &Origin { offset, time_ms: TIME_MS, value: &[] }, class);
}

fn put_tank(out: &mut Vec<u8>, encoder: &PartEncoder, facility: &str, offset: i64) {
    let reading = TankReading {
        tank_id: Some("TANK-000001"),
        facility_id: Some(facility),
        timestamp: Some(TIME_MS),
        level_percentage: Some(50.0),
        vapor_concentration_ppm: Some(100.0),
        leak_detection_status: Some("NORMAL"),
        ambient_temperature_f: Some(70.0),
        internal_pressure_psi: Some(14.0),
        flame_arrestor_status: Some(true),
        vapor_recovery_active: Some(true),
        emergency_shutdown: Some(false),
        wind_speed_mph: Some(5.0),
        atmospheric_pressure_mb: Some(1_013.0),
        air_quality_index: Some(42),
    };
    let class = score::tank(100.0, &ScoreRules::default());
    encoder.tank(out, &reading, &Origin { offset, time_ms: TIME_MS, value: &[] }, class);
}

/// As many as the usual scenario has, so that keys spread over partitions alike.
const FACILITIES: u64 = 10_000;
/// A time of as many bytes as any of these years.
const TIME_MS: i64 = 1_750_000_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use wellstream_core::decode;

    fn made(every: u64, count: i64) -> RowBatch {
        let (mut rows, mut batch) = (Rows::new([2, 3], every), RowBatch::default());
        for offset in 0..count {
            rows.put(&mut batch, PartitionId { side: Side::Well, number: 1 }, offset);
            rows.put(&mut batch, PartitionId { side: Side::Tank, number: 2 }, 1_000_000 + offset);
        }
        batch
    }

    /// What the watcher of `replay` looks at: the place of the record, and that it is a row of ours.
    #[test]
    fn each_row_carries_the_place_of_its_record() {
        let batch = made(1, 50);
        assert_eq!(batch.rows.len(), 100);
        for (nth, row) in batch.rows.iter().enumerate() {
            let event = decode::enriched(batch.value(row)).unwrap();
            let offset = i64::try_from(nth / 2).unwrap();
            let place = match nth % 2 {
                0 => (event.well_partition, event.well_offset) == (Some(1), Some(offset)),
                _ => (event.tank_partition, event.tank_offset) == (Some(2), Some(1_000_000 + offset)),
            };
            assert!(place && event.row_id == row.id(), "{event:?}");
            assert_eq!(batch.key(row), event.facility_id.as_bytes());
        }
        // Facilities take turns, as keys do in the engine's output.
        assert_ne!(batch.key(&batch.rows[0]), batch.key(&batch.rows[2]));
    }

    #[test]
    fn a_row_for_each_nth_record_only() {
        assert_eq!(made(10, 50).rows.len(), 10);
        assert_eq!(made(3, 50).rows.len(), 33);
    }
}

//! Random writers: schemas with our fields in any order and of any readable type, among fields of every other
//! type, and values for them. From a seed, so that a failure can be had again.

use std::collections::HashMap;

use apache_avro::schema::{InnerDecimalSchema, NamespaceRef, UuidSchema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use apache_avro::{Days, Decimal, Duration, Millis, Months, Schema, Uuid};
use fastrand::Rng;
use wellstream_core::record::Side;

/// Our fields of one side with our type of each.
pub(crate) fn fields_of(side: Side) -> &'static [(&'static str, &'static str)] {
    match side {
        Side::Well => &[
            ("well_id", "string"),
            ("facility_id", "string"),
            ("timestamp", "long"),
            ("methane_ppm", "double"),
            ("co2_ppm", "double"),
            ("pressure_psi", "double"),
            ("temperature_f", "double"),
            ("flow_rate_bpd", "double"),
            ("vibration_encoded", "string"),
            ("pump_status", "string"),
            ("maintenance_alert", "boolean"),
        ],
        Side::Tank => &[
            ("tank_id", "string"),
            ("facility_id", "string"),
            ("timestamp", "long"),
            ("level_percentage", "double"),
            ("vapor_concentration_ppm", "double"),
            ("leak_detection_status", "string"),
            ("ambient_temperature_f", "double"),
            ("internal_pressure_psi", "double"),
            ("flame_arrestor_status", "boolean"),
            ("vapor_recovery_active", "boolean"),
            ("emergency_shutdown", "boolean"),
            ("wind_speed_mph", "double"),
            ("atmospheric_pressure_mb", "double"),
            ("air_quality_index", "int"),
        ],
    }
}

/// Writes schemas as JSON text.
pub(crate) struct SchemaWriter<'r> {
    rng: &'r mut Rng,
    /// Names of types defined so far: all in one namespace.
    named: Vec<String>,
    enums: Vec<String>,
    names: usize,
}

impl<'r> SchemaWriter<'r> {
    pub(crate) fn new(rng: &'r mut Rng) -> Self {
        SchemaWriter { rng, named: Vec::new(), enums: Vec::new(), names: 0 }
    }

    /// The schema of one writer.
    pub(crate) fn record(&mut self, side: Side) -> String {
        let name = if side == Side::Well { "WellData" } else { "TankData" };
        let mut fields: Vec<Option<(&str, &str)>> =
            fields_of(side).iter().filter(|_| self.rng.u8(..10) > 0).copied().map(Some).collect();
        fields.extend((0..self.rng.usize(..6)).map(|_| None));
        if self.rng.bool() {
            self.rng.shuffle(&mut fields);
        }
        let mut text = Vec::new();
        for (i, field) in fields.into_iter().enumerate() {
            let (name, schema) = match field {
                Some((name, ours)) => (name.to_owned(), self.ours(ours)),
                None => (format!("extra_{i}"), self.any(4)),
            };
            text.push(format!(r#"{{"name": "{name}", "type": {schema}}}"#));
            // An enum that was offered and not taken is not there to be referred to.
            let taken = text.concat();
            self.enums.retain(|name| taken.contains(&format!(r#""name": "{name}""#)));
        }
        let namespace = if self.rng.bool() { r#""namespace": "com.example.field","# } else { "" };
        format!(r#"{{"type": "record", "name": "{name}", {namespace} "fields": [{}]}}"#, text.join(","))
    }

    /// A type that can be read as ours, alone or among other branches.
    fn ours(&mut self, ours: &str) -> String {
        let mut readable = self.readable(ours);
        match self.rng.u8(..8) {
            0..3 => readable.swap_remove(0),
            3 => {
                let place = self.rng.usize(..readable.len());
                readable.swap_remove(place)
            }
            4 => format!(r#"["null", {}]"#, readable[0]),
            5 => format!(r#"[{}, "null"]"#, readable[0]),
            6 => format!(r#"[{}]"#, readable[0]),
            _ => {
                readable.push(r#""null""#.to_owned());
                readable.push(r#"{"type": "array", "items": "int"}"#.to_owned());
                self.rng.shuffle(&mut readable);
                format!("[{}]", readable.join(","))
            }
        }
    }

    fn readable(&mut self, ours: &str) -> Vec<String> {
        let own = format!(r#""{ours}""#);
        match ours {
            "string" => vec![own, r#""bytes""#.to_owned(), self.enumeration()],
            "double" => vec![own, r#""float""#.into(), r#""int""#.into(), r#""long""#.into()],
            "long" if self.rng.bool() => vec![own, r#""int""#.into()],
            "long" => {
                vec![r#"{"type": "long", "logicalType": "timestamp-millis"}"#.into(), r#""int""#.into()]
            }
            "int" => vec![own, r#""long""#.into()],
            _ => vec![own],
        }
    }

    fn name(&mut self) -> String {
        self.names += 1;
        format!("Named{}", self.names)
    }

    fn enumeration(&mut self) -> String {
        if !self.enums.is_empty() && self.rng.u8(..4) == 0 {
            return format!(r#""{}""#, self.rng.choice(&self.enums).unwrap());
        }
        let name = self.name();
        self.enums.push(name.clone());
        let symbols = ["active", "inactive", "standby", "CRITICAL"];
        let count = self.rng.usize(1..=symbols.len());
        let symbols: Vec<String> = symbols[..count].iter().map(|symbol| format!(r#""{symbol}""#)).collect();
        format!(r#"{{"type": "enum", "name": "{name}", "symbols": [{}]}}"#, symbols.join(","))
    }

    /// Any Avro type at all.
    fn any(&mut self, depth_left: usize) -> String {
        let leaves = 20;
        let pick = self.rng.usize(..if depth_left == 0 { leaves } else { leaves + 12 });
        match pick {
            0 => r#""null""#.into(),
            1 => r#""boolean""#.into(),
            2 => r#""int""#.into(),
            3 => r#""long""#.into(),
            4 => r#""float""#.into(),
            5 => r#""double""#.into(),
            6 => r#""bytes""#.into(),
            7 => r#""string""#.into(),
            8 => r#"{"type": "int", "logicalType": "date"}"#.into(),
            9 => r#"{"type": "int", "logicalType": "time-millis"}"#.into(),
            10 => r#"{"type": "long", "logicalType": "timestamp-micros"}"#.into(),
            11 => r#"{"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}"#.into(),
            12 => r#"{"type": "string", "logicalType": "uuid"}"#.into(),
            13 => self.fixed(""),
            14 => self.fixed(r#", "logicalType": "decimal", "precision": 4, "scale": 1"#),
            15 => self.fixed(r#", "logicalType": "duration""#),
            16 => self.enumeration(),
            17..20 if self.named.is_empty() => r#""float""#.into(),
            17..20 => format!(r#""{}""#, self.rng.choice(&self.named).unwrap()),
            20..23 => format!(r#"{{"type": "array", "items": {}}}"#, self.any(depth_left - 1)),
            23..26 => format!(r#"{{"type": "map", "values": {}}}"#, self.any(depth_left - 1)),
            26..29 => self.nested(depth_left),
            _ => self.union(depth_left),
        }
    }

    fn fixed(&mut self, logical: &str) -> String {
        let name = self.name();
        self.named.push(name.clone());
        let bytes = if logical.contains("duration") { 12 } else { self.rng.usize(4..20) };
        format!(r#"{{"type": "fixed", "name": "{name}", "size": {bytes}{logical}}}"#)
    }

    fn nested(&mut self, depth_left: usize) -> String {
        let name = self.name();
        let count = self.rng.usize(..5);
        let fields: Vec<String> = (0..count)
            .map(|i| format!(r#"{{"name": "f{i}", "type": {}}}"#, self.any(depth_left - 1)))
            .collect();
        // Only now: a record that contains itself would have no end.
        self.named.push(name.clone());
        format!(r#"{{"type": "record", "name": "{name}", "fields": [{}]}}"#, fields.join(","))
    }

    /// Branches of distinct kinds, null among them.
    fn union(&mut self, depth_left: usize) -> String {
        let mut branches: Vec<String> =
            [r#""null""#, r#""int""#, r#""double""#, r#""string""#].map(str::to_owned).into();
        branches.truncate(self.rng.usize(1..=4));
        if self.rng.bool() {
            branches.push(self.nested(depth_left));
        }
        if self.rng.bool() {
            branches.push(format!(r#"{{"type": "array", "items": {}}}"#, self.any(depth_left - 1)));
        }
        format!("[{}]", branches.join(","))
    }
}

/// Makes values of a schema.
pub(crate) struct ValueWriter<'r, 's> {
    rng: &'r mut Rng,
    names: HashMap<String, &'s Schema>,
}

impl<'r, 's> ValueWriter<'r, 's> {
    pub(crate) fn new(rng: &'r mut Rng, schema: &'s Schema) -> Self {
        let mut names = HashMap::new();
        collect(schema, None, &mut names);
        ValueWriter { rng, names }
    }

    pub(crate) fn value(&mut self, schema: &Schema, namespace: NamespaceRef<'_>) -> Value {
        let rng = &mut *self.rng;
        match schema {
            Schema::Null => Value::Null,
            Schema::Boolean => Value::Boolean(rng.bool()),
            Schema::Int => Value::Int(self.whole() as i32),
            Schema::Long => Value::Long(self.whole()),
            Schema::Float => Value::Float(self.real() as f32),
            Schema::Double => Value::Double(self.real()),
            Schema::Bytes => Value::Bytes(self.text().into_bytes()),
            Schema::String => Value::String(self.text()),
            Schema::Date => Value::Date(rng.i32(..)),
            Schema::TimeMillis => Value::TimeMillis(rng.i32(..)),
            Schema::TimestampMillis => Value::TimestampMillis(self.whole()),
            Schema::TimestampMicros => Value::TimestampMicros(self.whole()),
            Schema::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Value::Decimal(Decimal::from([1, rng.u8(..)])),
                InnerDecimalSchema::Fixed(fixed) => Value::Decimal(Decimal::from(vec![1; fixed.size])),
            },
            Schema::Uuid(UuidSchema::String) => Value::Uuid(Uuid::from_u128(rng.u128(..))),
            Schema::Duration(_) => {
                let days = Days::new(rng.u32(..));
                Value::Duration(Duration::new(Months::new(1), days, Millis::new(7)))
            }
            Schema::Fixed(fixed) => Value::Fixed(fixed.size, (0..fixed.size).map(|_| rng.u8(..)).collect()),
            Schema::Enum(named) => {
                let place = rng.usize(..named.symbols.len());
                Value::Enum(place as u32, named.symbols[place].clone())
            }
            Schema::Array(array) => {
                let count = rng.usize(..4);
                Value::Array((0..count).map(|_| self.value(&array.items, namespace)).collect())
            }
            Schema::Map(map) => {
                let count = rng.usize(..4);
                Value::Map((0..count).map(|i| (format!("k{i}"), self.value(&map.types, namespace))).collect())
            }
            Schema::Union(union) => {
                let place = rng.usize(..union.variants().len());
                let value = self.value(&union.variants()[place], namespace);
                Value::Union(place as u32, Box::new(value))
            }
            Schema::Record(record) => {
                let full = record.name.fully_qualified_name(namespace);
                let fields = record.fields.iter();
                Value::Record(
                    fields
                        .map(|field| (field.name.clone(), self.value(&field.schema, full.namespace())))
                        .collect(),
                )
            }
            Schema::Ref { name } => {
                let full = name.fully_qualified_name(namespace);
                let schema = self.names[&full.fullname(None)];
                self.value(schema, full.namespace())
            }
            other => panic!("no value for {other:?}"),
        }
    }

    /// Appends a value's body. What contains values is written here, with array and map blocks of all kinds;
    /// the rest by apache-avro.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        value: &Value,
        schema: &Schema,
        namespace: NamespaceRef<'_>,
    ) {
        match (schema, value) {
            (Schema::Record(record), Value::Record(fields)) => {
                let full = record.name.fully_qualified_name(namespace);
                for (field, (_, value)) in record.fields.iter().zip(fields) {
                    self.put(out, value, &field.schema, full.namespace());
                }
            }
            (Schema::Ref { name }, _) => {
                let full = name.fully_qualified_name(namespace);
                self.put(out, value, self.names[&full.fullname(None)], full.namespace());
            }
            (Schema::Union(union), Value::Union(place, value)) => {
                out.extend(leaf(&Schema::Int, &Value::Int(place.cast_signed())));
                self.put(out, value, &union.variants()[*place as usize], namespace);
            }
            (Schema::Array(array), Value::Array(items)) => self.put_blocks(out, items, |this, out, item| {
                this.put(out, item, &array.items, namespace);
            }),
            (Schema::Map(map), Value::Map(entries)) => {
                let entries: Vec<_> = entries.iter().collect();
                self.put_blocks(out, &entries, |this, out, (key, value)| {
                    out.extend(leaf(&Schema::String, &Value::String((*key).clone())));
                    this.put(out, value, &map.types, namespace);
                });
            }
            _ => out.extend(leaf(schema, value)),
        }
    }

    /// Blocks of one or more items, some with their length in bytes.
    fn put_blocks<T>(
        &mut self,
        out: &mut Vec<u8>,
        mut items: &[T],
        mut put: impl FnMut(&mut Self, &mut Vec<u8>, &T),
    ) {
        let long = |value| leaf(&Schema::Long, &Value::Long(value));
        while !items.is_empty() {
            let (block, rest) = items.split_at(self.rng.usize(1..=items.len()));
            items = rest;
            let mut bytes = Vec::new();
            block.iter().for_each(|item| put(self, &mut bytes, item));
            let count = i64::try_from(block.len()).unwrap();
            if self.rng.bool() {
                out.extend([long(-count), long(i64::try_from(bytes.len()).unwrap())].concat());
            } else {
                out.extend(long(count));
            }
            out.append(&mut bytes);
        }
        out.push(0);
    }

    /// Whole numbers of every length.
    fn whole(&mut self) -> i64 {
        self.rng.i64(..) >> self.rng.u32(..64)
    }

    /// Numbers as sensors have them, now and then one that is none.
    fn real(&mut self) -> f64 {
        match self.rng.u8(..250) {
            0 => f64::NAN,
            1 => f64::NEG_INFINITY,
            2 => f64::MAX,
            _ => (self.rng.f64() * 100_000.0).round() / 100.0,
        }
    }

    fn text(&mut self) -> String {
        let length = if self.rng.u8(..4) == 0 { self.rng.usize(..200) } else { self.rng.usize(..12) };
        let alphabet = if self.rng.u8(..6) == 0 { "aé→😀".chars() } else { "FAC-0123".chars() };
        let alphabet: Vec<char> = alphabet.collect();
        (0..length).map(|_| *self.rng.choice(&alphabet).unwrap()).collect()
    }
}

fn leaf(schema: &Schema, value: &Value) -> Vec<u8> {
    let writer = GenericDatumWriter::builder(schema).build().unwrap();
    writer.write_value_to_vec(value.clone()).unwrap_or_else(|error| panic!("{value:?}: {error}"))
}

fn collect<'s>(schema: &'s Schema, namespace: NamespaceRef<'_>, names: &mut HashMap<String, &'s Schema>) {
    match schema {
        Schema::Array(array) => collect(&array.items, namespace, names),
        Schema::Map(map) => collect(&map.types, namespace, names),
        Schema::Union(union) => union.variants().iter().for_each(|branch| collect(branch, namespace, names)),
        Schema::Record(record) => {
            let full = record.name.fully_qualified_name(namespace);
            record.fields.iter().for_each(|field| collect(&field.schema, full.namespace(), names));
        }
        _ => {}
    }
    let name = match schema {
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => Some(&fixed.name),
            InnerDecimalSchema::Bytes => None,
        },
        Schema::Ref { .. } => None,
        other => other.name(),
    };
    if let Some(name) = name {
        names.insert(name.fullname(namespace), schema);
    }
}

//! Which of a cell's rows are missing or came twice, from its sums alone.
//!
//! The difference of two digests is the sum of the hashes of what is missing, less those of what came too
//! often. Where that is one or two, and the rows that should be there are known, a look-up finds them: no
//! second run is needed, which helps where the fault does not come again.

use std::collections::HashMap;

use crate::oracle::Sum;

use super::compare::Difference;

/// What is missing and what came too often, by places in the cell's expected items.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Explanation {
    pub(super) missing: Vec<usize>,
    pub(super) repeated: Vec<usize>,
}

/// Looks for up to two items that explain a difference. `None`: it is another, or a larger one.
pub(super) fn explain<S: Sum>(difference: &Difference<S>, expected: &[S::Item]) -> Option<Explanation> {
    let Difference { expected: sum, found, .. } = difference;
    let hashes: Vec<u64> = expected.iter().map(|item| of_one::<S>(item).digest()).collect();
    let places: HashMap<u64, usize> = hashes.iter().copied().zip(0..).collect();
    let lost = sum.digest().wrapping_sub(found.digest());
    let excess = lost.wrapping_neg();
    let one = |hash: u64| places.get(&hash).copied();
    let two = |hash: u64| hashes.iter().zip(0..).find_map(|(a, i)| Some([i, one(hash.wrapping_sub(*a))?]));
    let explanation = match sum.count().cast_signed().wrapping_sub(found.count().cast_signed()) {
        1 => Explanation { missing: vec![one(lost)?], repeated: Vec::new() },
        -1 => Explanation { missing: Vec::new(), repeated: vec![one(excess)?] },
        2 => Explanation { missing: two(lost)?.into(), repeated: Vec::new() },
        -2 => Explanation { missing: Vec::new(), repeated: two(excess)?.into() },
        0 => hashes.iter().zip(0..).find_map(|(repeated, j)| {
            let missing = vec![one(lost.wrapping_add(*repeated))?];
            Some(Explanation { missing, repeated: vec![j] })
        })?,
        _ => return None,
    };
    holds(&explanation, difference, expected).then_some(explanation)
}

/// Whether all sums follow, not the digest alone.
fn holds<S: Sum>(explanation: &Explanation, difference: &Difference<S>, expected: &[S::Item]) -> bool {
    let (mut should, mut does) = (difference.expected, difference.found);
    explanation.missing.iter().for_each(|place| does.add(&expected[*place]));
    explanation.repeated.iter().for_each(|place| should.add(&expected[*place]));
    let is_twice_missing = matches!(explanation.missing[..], [a, b] if a == b);
    should == does && explanation.missing != explanation.repeated && !is_twice_missing
}

fn of_one<S: Sum>(item: &S::Item) -> S {
    let mut sum = S::default();
    sum.add(item);
    sum
}

#[cfg(test)]
mod tests {
    use wellstream_core::record::{Input, Status};

    use super::*;
    use crate::oracle::{CellId, RowCell, RowFacts};

    fn rows() -> Vec<RowFacts> {
        let input = |offset| Some(Input { time_ms: 1_700_000_000_000, partition: 2, offset });
        (0..100)
            .map(|offset| RowFacts {
                well: input(offset),
                tank: input(7),
                time_ms: 1_700_000_000_000,
                risk: 10,
                status: Status::Normal,
            })
            .collect()
    }

    fn explained(found: &[RowFacts]) -> Option<Explanation> {
        let rows = rows();
        let sum = |rows: &[RowFacts]| {
            let mut sum = RowCell::default();
            rows.iter().for_each(|row| sum.add(row));
            sum
        };
        let cell = CellId::of_row(&rows[0]);
        explain(&Difference { cell, expected: sum(&rows), found: sum(found) }, &rows)
    }

    #[test]
    fn up_to_two_rows_are_found_from_the_sums() {
        let without = |places: &[usize]| -> Vec<RowFacts> {
            let kept = (0..).zip(rows()).filter(|(place, _)| !places.contains(place));
            kept.map(|(_, row)| row).collect()
        };
        let with = |mut found: Vec<RowFacts>, places: &[usize]| {
            found.extend(places.iter().map(|place| rows()[*place]));
            found
        };
        for (missing, repeated) in [
            (vec![3], vec![]),
            (vec![], vec![99]),
            (vec![3, 80], vec![]),
            (vec![], vec![0, 1]),
            (vec![], vec![5, 5]),
            (vec![17], vec![18]),
        ] {
            let explanation = explained(&with(without(&missing), &repeated));
            assert_eq!(explanation, Some(Explanation { missing, repeated }));
        }
    }

    #[test]
    fn what_is_not_a_lost_or_repeated_row_is_not_explained() {
        let mut risk = rows();
        risk[4].risk = 11;
        assert_eq!(explained(&risk), None);
        let mut strangers = rows();
        strangers[4].tank = None;
        assert_eq!(explained(&strangers), None);
        assert_eq!(explained(&rows()[3..]), None);
    }
}

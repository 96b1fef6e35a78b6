//! From a writer's schema to a plan's operations.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{Name, NamespaceRef, RecordField, UuidSchema};

use crate::limits::SCHEMA_DEPTH_MAX;
use crate::record::Side;

use super::plan::{Code, Op};
use super::skip::{NodeId, Skip};

mod skips;
mod target;

use target::Target;

/// Why a schema is no plan. No retry helps: the schema is what it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Not an Avro schema.
    #[error("not an Avro schema: {message}")]
    NotASchema {
        /// What the parser says.
        message: String,
    },
    /// The writer's record is not this side's.
    #[error("the schema is of {found}, not of a record {expected}: is this the right topic?")]
    WrongRecord {
        /// The record's unqualified name that this side reads.
        expected: &'static str,
        /// What the schema describes.
        found: String,
    },
    /// A field that we read has a type that can never be read as ours.
    #[error("field {field} is {found} and cannot be read as {expected}")]
    WrongField {
        /// The field.
        field: String,
        /// The type that we read.
        expected: &'static str,
        /// The writer's type.
        found: &'static str,
    },
    /// Types nest deeper than `limits::SCHEMA_DEPTH_MAX`.
    #[error("field {field} nests deeper than {SCHEMA_DEPTH_MAX} types")]
    TooDeep {
        /// The field.
        field: String,
    },
}

/// Compiles the plan's code for one side.
pub(super) fn compile(side: Side, schema_json: &str) -> Result<Code, PlanError> {
    let schema = Schema::parse_str(schema_json)
        .map_err(|error| PlanError::NotASchema { message: error.to_string() })?;
    let expected = match side {
        Side::Well => "WellData",
        Side::Tank => "TankData",
    };
    let record = match &schema {
        Schema::Record(record) if record.name.name() == expected => record,
        Schema::Record(record) => {
            return Err(PlanError::WrongRecord { expected, found: record.name.fullname(None) });
        }
        other => return Err(PlanError::WrongRecord { expected, found: target::describe(other).to_owned() }),
    };
    let mut compiler = Compiler::default();
    compiler.collect(&schema, None);
    for field in &record.fields {
        compiler.field(side, field, record.name.namespace())?;
    }
    Ok(compiler.code)
}

#[derive(Default)]
struct Compiler<'s> {
    code: Code,
    /// Named types by full name, as they are defined.
    named: HashMap<String, &'s Schema>,
    /// Named types that are skipped somewhere: node and height. Height 0: being compiled, so recursive.
    skipped: HashMap<String, (NodeId, usize)>,
}

impl<'s> Compiler<'s> {
    /// Finds every named type, so that references can be followed in any order.
    fn collect(&mut self, schema: &'s Schema, namespace: NamespaceRef<'_>) {
        match schema {
            Schema::Record(record) => {
                self.named.insert(record.name.fullname(namespace), schema);
                let own = record.name.fully_qualified_name(namespace);
                for field in &record.fields {
                    self.collect(&field.schema, own.namespace());
                }
            }
            Schema::Enum(named) => drop(self.named.insert(named.name.fullname(namespace), schema)),
            Schema::Array(array) => self.collect(&array.items, namespace),
            Schema::Map(map) => self.collect(&map.types, namespace),
            Schema::Union(union) => {
                for branch in union.variants() {
                    self.collect(branch, namespace);
                }
            }
            other => {
                if let Some(name) = target::fixed_name(other) {
                    self.named.insert(name.fullname(namespace), schema);
                }
            }
        }
    }

    fn named(&self, name: &Name, namespace: NamespaceRef<'_>) -> Result<&'s Schema, PlanError> {
        let full = name.fullname(namespace);
        // The parser has refused dangling references already; this is for a parser that would not.
        let unknown = || PlanError::NotASchema { message: format!("type {full} is not defined") };
        self.named.get(&full).copied().ok_or_else(unknown)
    }

    fn field(
        &mut self,
        side: Side,
        field: &'s RecordField,
        namespace: NamespaceRef<'_>,
    ) -> Result<(), PlanError> {
        let Some(target) = Target::of(side, &field.name) else {
            return self.skip_field(field, namespace);
        };
        let schema = self.followed(&field.schema, namespace)?;
        let Schema::Union(union) = schema else {
            let op = self.read(target, schema).ok_or_else(|| PlanError::WrongField {
                field: field.name.clone(),
                expected: target.name(),
                found: target::describe(schema),
            })?;
            self.push_plain(op);
            return Ok(());
        };
        let mut branches = Vec::with_capacity(union.variants().len());
        for branch in union.variants() {
            let branch = self.followed(branch, namespace)?;
            branches.push(self.read(target, branch).unwrap_or(Op::Wrong));
        }
        if branches.iter().all(|op| *op == Op::Wrong) {
            let (expected, found) = (target.name(), "a union without a branch for it");
            return Err(PlanError::WrongField { field: field.name.clone(), expected, found });
        }
        self.push_union(&branches);
        Ok(())
    }

    fn skip_field(&mut self, field: &'s RecordField, namespace: NamespaceRef<'_>) -> Result<(), PlanError> {
        let too_deep = || PlanError::TooDeep { field: field.name.clone() };
        let (node, _height) = self.skip(&field.schema, namespace, SCHEMA_DEPTH_MAX)?.ok_or_else(too_deep)?;
        self.push_plain(match self.code.skips.nodes[node as usize] {
            Skip::Fixed(bytes) => Op::SkipFixed { bytes },
            _ => Op::Skip { node },
        });
        Ok(())
    }

    /// The type behind a reference.
    fn followed(&self, schema: &'s Schema, namespace: NamespaceRef<'_>) -> Result<&'s Schema, PlanError> {
        match schema {
            Schema::Ref { name } => self.named(name, namespace),
            other => Ok(other),
        }
    }

    /// The operation that reads a type which is no union, if it can be read as ours.
    fn read(&mut self, target: Target, schema: &Schema) -> Option<Op> {
        use Schema as S;
        Some(match (target, schema) {
            (_, S::Null) => Op::Null,
            (Target::Text(slot), S::String | S::Bytes | S::Uuid(UuidSchema::String)) => Op::Text { slot },
            (Target::Text(slot), S::Enum(named)) => {
                let list = id(self.code.symbols.len());
                self.code.symbols.push(named.symbols.iter().map(|symbol| symbol.as_str().into()).collect());
                Op::Symbol { slot, list }
            }
            (Target::Double(slot), S::Double) => Op::Doubles { slot, count: 1 },
            (Target::Double(slot), S::Float) => Op::DoubleFromFloat { slot },
            (Target::Double(slot), whole) => Op::DoubleFromInt { slot, long: target::whole(whole)? == 64 },
            (Target::Timestamp, whole) => match target::whole(whole)? {
                64 => Op::Timestamp,
                _ => Op::TimestampFromInt,
            },
            (Target::AirQuality, whole) => Op::AirQuality { long: target::whole(whole)? == 64 },
            (Target::Flag(slot), S::Boolean) => Op::Flag { slot },
            _ => return None,
        })
    }

    /// Adds an operation that every body reaches, merging runs of doubles and of skipped bytes. What was
    /// added last may grow whenever it is one of these two, since no union ends with either.
    fn push_plain(&mut self, op: Op) {
        match (self.code.ops.last_mut(), op) {
            (_, Op::Null | Op::SkipFixed { bytes: 0 }) => {}
            (Some(Op::Doubles { slot, count }), Op::Doubles { slot: next, count: 1 })
                if *slot + *count == next =>
            {
                *count += 1;
            }
            (Some(Op::SkipFixed { bytes }), Op::SkipFixed { bytes: more }) => {
                *bytes = bytes.saturating_add(more);
            }
            _ => self.code.ops.push(op),
        }
    }

    /// Merges runs as `push_plain` does: no other union ends with this operation either.
    fn push_null_or_double(&mut self, null: u8, next: u8) {
        match self.code.ops.last_mut() {
            Some(Op::NullOrDoubles { null: same, slot, count })
                if *same == null && *slot + *count == next =>
            {
                *count += 1;
            }
            _ => self.code.ops.push(Op::NullOrDoubles { null, slot: next, count: 1 }),
        }
    }

    fn push_union(&mut self, branches: &[Op]) {
        let null_or = match branches {
            [Op::Null, op] => Some((0, *op)),
            [op, Op::Null] => Some((1, *op)),
            _ => None,
        };
        match null_or {
            Some((null, Op::Doubles { slot, .. })) => self.push_null_or_double(null, slot),
            Some((null, Op::Text { slot })) => self.code.ops.push(Op::NullOrText { null, slot }),
            Some((null, op)) => self.code.ops.extend([Op::NullOr { null }, op]),
            None => {
                let first = id(self.code.branches.len());
                let begin = id(self.code.ops.len()) + 1;
                let count = id(branches.len());
                self.code.ops.push(Op::Union { first, count });
                for (i, op) in (0..count).zip(branches) {
                    self.code.branches.push(begin + 2 * i);
                    self.code.ops.extend([*op, Op::Jump { to: begin + 2 * count }]);
                }
            }
        }
    }
}

/// The place of something in a plan's tables.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a schema text of 4 GiB would be needed, and is asserted"
)]
fn id(place: usize) -> u32 {
    assert!(place < 1 << 31, "a schema of billions of types");
    place as u32
}

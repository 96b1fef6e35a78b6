//! A writer's schema, stripped to what its bytes look like.

use std::collections::HashMap;

use apache_avro::Schema;
use apache_avro::schema::{InnerDecimalSchema, Name, UuidSchema};

/// How the bytes of a type look: logical types are gone, names of types point into the writer's table.
#[derive(Clone, Debug)]
pub(super) enum Kind {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    /// `string` and `bytes` look the same.
    Text,
    Fixed(usize),
    /// An enum by its symbols.
    Enum(Vec<String>),
    Array(Box<Kind>),
    Map(Box<Kind>),
    Union(Vec<Kind>),
    Record(Vec<(String, Kind)>),
    Named(Name),
}

/// How the oracle reads a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Want {
    Text,
    Long,
    Double,
    Boolean,
    Int,
}

/// A writer's schema of one id.
#[derive(Debug)]
pub(super) struct Writer {
    /// Its record's name without namespace; `None` where it is no record.
    record: Option<String>,
    fields: Vec<(String, Kind)>,
    named: HashMap<Name, Kind>,
}

impl Writer {
    pub(super) fn parse(text: &str) -> Result<Writer, SchemaError> {
        let schema = Schema::parse_str(text).map_err(|error| SchemaError { message: error.to_string() })?;
        let mut named = HashMap::new();
        let kind = kind_of(&schema, &mut named);
        let record = match &schema {
            Schema::Record(record) => Some(record.name.name().to_owned()),
            _ => None,
        };
        let fields = match &kind {
            Kind::Named(name) => match named.get(name) {
                Some(Kind::Record(fields)) => fields.clone(),
                _ => Vec::new(),
            },
            _ => Vec::new(),
        };
        Ok(Writer { record, fields, named })
    }

    pub(super) fn fields(&self) -> &[(String, Kind)] {
        &self.fields
    }

    /// The type behind a name, or the type itself.
    pub(super) fn followed<'k>(&'k self, kind: &'k Kind) -> &'k Kind {
        match kind {
            // The schema's parser refuses names that are not defined.
            Kind::Named(name) => self.named.get(name).unwrap_or(kind),
            other => other,
        }
    }

    /// Whether it is the topic's record, and each wanted field that it has can be read as wanted.
    pub(super) fn suits(&self, record: &str, mut wanted: impl Iterator<Item = (&'static str, Want)>) -> bool {
        self.record.as_deref() == Some(record)
            && wanted.all(|(name, want)| {
                let field = self.fields.iter().find(|(field, _)| field == name);
                field.is_none_or(|(_, kind)| match self.followed(kind) {
                    Kind::Union(branches) => branches.iter().any(|branch| self.is_readable(branch, want)),
                    other => self.is_readable(other, want),
                })
            })
    }

    /// Avro's promotions: int and long to double, int to long, float to double, bytes to string; and an enum
    /// as the string that it names, a long as an int where it fits.
    pub(super) fn is_readable(&self, kind: &Kind, want: Want) -> bool {
        match self.followed(kind) {
            Kind::Null => true,
            Kind::Boolean => want == Want::Boolean,
            Kind::Int | Kind::Long => matches!(want, Want::Int | Want::Long | Want::Double),
            Kind::Float | Kind::Double => want == Want::Double,
            Kind::Text | Kind::Enum(_) => want == Want::Text,
            Kind::Fixed(_)
            | Kind::Array(_)
            | Kind::Map(_)
            | Kind::Union(_)
            | Kind::Record(_)
            | Kind::Named(_) => false,
        }
    }
}

/// The text is not an Avro schema.
#[derive(Debug, thiserror::Error)]
#[error("not an Avro schema: {message}")]
pub struct SchemaError {
    /// What the parser says.
    pub message: String,
}

fn kind_of(schema: &Schema, named: &mut HashMap<Name, Kind>) -> Kind {
    match schema {
        Schema::Null => Kind::Null,
        Schema::Boolean => Kind::Boolean,
        Schema::Int | Schema::Date | Schema::TimeMillis => Kind::Int,
        Schema::Long
        | Schema::TimeMicros
        | Schema::TimestampMillis
        | Schema::TimestampMicros
        | Schema::TimestampNanos
        | Schema::LocalTimestampMillis
        | Schema::LocalTimestampMicros
        | Schema::LocalTimestampNanos => Kind::Long,
        Schema::Float => Kind::Float,
        Schema::Double => Kind::Double,
        Schema::Bytes | Schema::String | Schema::BigDecimal => Kind::Text,
        Schema::Array(array) => Kind::Array(Box::new(kind_of(&array.items, named))),
        Schema::Map(map) => Kind::Map(Box::new(kind_of(&map.types, named))),
        Schema::Union(union) => {
            Kind::Union(union.variants().iter().map(|variant| kind_of(variant, named)).collect())
        }
        Schema::Record(record) => {
            let fields = record
                .fields
                .iter()
                .map(|field| (field.name.clone(), kind_of(&field.schema, named)))
                .collect();
            define(&record.name, Kind::Record(fields), named)
        }
        Schema::Enum(symbols) => define(&symbols.name, Kind::Enum(symbols.symbols.clone()), named),
        Schema::Fixed(fixed) | Schema::Duration(fixed) | Schema::Uuid(UuidSchema::Fixed(fixed)) => {
            define(&fixed.name, Kind::Fixed(fixed.size), named)
        }
        Schema::Uuid(UuidSchema::Bytes | UuidSchema::String) => Kind::Text,
        Schema::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Bytes => Kind::Text,
            InnerDecimalSchema::Fixed(fixed) => define(&fixed.name, Kind::Fixed(fixed.size), named),
        },
        Schema::Ref { name } => Kind::Named(name.clone()),
    }
}

fn define(name: &Name, kind: Kind, named: &mut HashMap<Name, Kind>) -> Kind {
    named.insert(name.clone(), kind);
    Kind::Named(name.clone())
}

//! From schema ids to plans. A lane asks; whoever talks to the registry answers.

use std::sync::Arc;

use crate::record::Side;
use crate::schemas;

use super::{Plan, PlanError};

/// Where lanes find the plan of a schema id. Answers come at once: fetching happens elsewhere.
pub trait Schemas: Send + Sync {
    /// The plan for bodies of this side that were written with this schema.
    fn plan(&self, side: Side, id: u32) -> SchemaLookup;
}

/// What is known of a schema id.
#[derive(Clone, Debug)]
pub enum SchemaLookup {
    /// Its plan.
    Ready(Arc<Plan>),
    /// Not known yet: asked for, or the registry is away. The partition waits.
    Pending,
    /// The registry has answered "not found" for the grace time: `Reason::UnknownSchema`.
    GivenUp,
    /// It exists, and is no plan for this side: `Reason::WrongType`.
    Unreadable,
}

/// The same two schemas whatever the id: a schema directory, or what is built in.
///
/// ```
/// use wellstream_core::decode::{FixedSchemas, SchemaLookup, Schemas};
/// use wellstream_core::record::Side;
/// let schemas = FixedSchemas::built_in();
/// assert!(matches!(schemas.plan(Side::Tank, 4711), SchemaLookup::Ready(plan) if plan.side() == Side::Tank));
/// ```
#[derive(Clone, Debug)]
pub struct FixedSchemas {
    plans: [Arc<Plan>; 2],
}

impl FixedSchemas {
    /// Compiles the schemas of both topics.
    ///
    /// # Errors
    /// The first of the two that is no plan.
    pub fn new(well_json: &str, tank_json: &str) -> Result<Self, PlanError> {
        let well = Plan::compile(Side::Well, well_json)?;
        let tank = Plan::compile(Side::Tank, tank_json)?;
        Ok(FixedSchemas { plans: [Arc::new(well), Arc::new(tank)] })
    }

    /// The normative schemas.
    #[must_use]
    #[expect(clippy::expect_used, reason = "both texts are part of the program, and a test compiles them")]
    pub fn built_in() -> Self {
        Self::new(schemas::WELL_DATA, schemas::TANK_DATA).expect("the built-in schemas compile")
    }
}

impl Schemas for FixedSchemas {
    fn plan(&self, side: Side, _id: u32) -> SchemaLookup {
        SchemaLookup::Ready(Arc::clone(&self.plans[side.index()]))
    }
}

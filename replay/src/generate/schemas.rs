//! The schemas of generated readings by their ids, for an engine that has no registry to ask.

use std::collections::BTreeMap;
use std::sync::Arc;

use wellstream_core::decode::{Plan, PlanError, SchemaLookup, Schemas};
use wellstream_core::record::Side;

use super::SchemaIds;

/// Knows the ids of a generator and no other: an unknown one is given up at once, as a registry's "not found"
/// is after its grace time.
#[derive(Clone, Debug)]
pub struct GeneratedSchemas(BTreeMap<u32, Arc<Plan>>);

impl GeneratedSchemas {
    /// The schemas behind these ids.
    ///
    /// # Errors
    /// A built-in schema that does not compile.
    pub fn new(ids: SchemaIds) -> Result<GeneratedSchemas, PlanError> {
        let plan = |(id, side, text): (u32, Side, String)| Ok((id, Arc::new(Plan::compile(side, &text)?)));
        ids.texts().into_iter().map(plan).collect::<Result<_, _>>().map(GeneratedSchemas)
    }
}

impl Schemas for GeneratedSchemas {
    fn plan(&self, side: Side, id: u32) -> SchemaLookup {
        match self.0.get(&id) {
            Some(plan) if plan.side() == side => SchemaLookup::Ready(Arc::clone(plan)),
            Some(_) => SchemaLookup::Unreadable,
            None => SchemaLookup::GivenUp,
        }
    }
}

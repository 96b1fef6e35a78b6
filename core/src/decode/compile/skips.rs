//! The types that a plan passes over, compiled once each.

use apache_avro::Schema;
use apache_avro::schema::{Name, NamespaceRef, RecordSchema};

use super::super::skip::{NodeId, Skip};
use super::{Compiler, PlanError, id, target};

/// A node and how many types nest in it, itself included; `None`: too many.
type Compiled = Result<Option<(NodeId, usize)>, PlanError>;

impl<'s> Compiler<'s> {
    /// Compiles a type that is passed over, `depth_left` levels at most.
    pub(super) fn skip(
        &mut self,
        schema: &'s Schema,
        namespace: NamespaceRef<'_>,
        depth_left: usize,
    ) -> Compiled {
        let Some(inner_left) = depth_left.checked_sub(1) else {
            return Ok(None);
        };
        let leaf = match schema {
            Schema::Ref { name } => return self.skip_named(name, namespace, depth_left),
            Schema::Record(record) => return self.skip_record(record, namespace, inner_left),
            Schema::Union(union) => {
                let mut nodes = Vec::with_capacity(union.variants().len());
                let mut height = 0;
                for branch in union.variants() {
                    let Some((node, inner)) = self.skip(branch, namespace, inner_left)? else {
                        return Ok(None);
                    };
                    nodes.push(node);
                    height = height.max(inner);
                }
                return Ok(Some((self.add(Skip::Union(nodes.into())), height + 1)));
            }
            Schema::Array(array) => return self.skip_items(&array.items, namespace, inner_left, Skip::Array),
            Schema::Map(map) => return self.skip_items(&map.types, namespace, inner_left, Skip::Map),
            Schema::Null => Skip::Fixed(0),
            Schema::Boolean => Skip::Fixed(1),
            Schema::Float => Skip::Fixed(4),
            Schema::Double => Skip::Fixed(8),
            Schema::Enum(named) => Skip::Enum(named.symbols.len()),
            other => match (target::whole(other), target::fixed_bytes(other)) {
                (Some(32), _) => Skip::Int,
                (Some(_), _) => Skip::Long,
                (_, Some(bytes)) => Skip::Fixed(bytes),
                // bytes, string, and the decimals and uuids that are made of them
                _ => Skip::Bytes,
            },
        };
        Ok(Some((self.add(leaf), 1)))
    }

    fn skip_items(
        &mut self,
        items: &'s Schema,
        namespace: NamespaceRef<'_>,
        depth_left: usize,
        around: impl FnOnce(NodeId) -> Skip,
    ) -> Compiled {
        let Some((items, height)) = self.skip(items, namespace, depth_left)? else {
            return Ok(None);
        };
        Ok(Some((self.add(around(items)), height + 1)))
    }

    /// A type by its name: each is compiled once, so references cannot multiply.
    fn skip_named(&mut self, name: &Name, namespace: NamespaceRef<'_>, depth_left: usize) -> Compiled {
        if let Some(&(node, height)) = self.skipped.get(&name.fullname(namespace)) {
            return Ok((height <= depth_left).then_some((node, height)));
        }
        let schema = self.named(name, namespace)?;
        let full = name.fully_qualified_name(namespace);
        self.skip(schema, full.namespace(), depth_left)
    }

    fn skip_record(
        &mut self,
        record: &'s RecordSchema,
        namespace: NamespaceRef<'_>,
        depth_left: usize,
    ) -> Compiled {
        let full = record.name.fully_qualified_name(namespace).into_owned();
        let key = full.fullname(None);
        if let Some(&(node, height)) = self.skipped.get(&key) {
            return Ok((height <= depth_left + 1).then_some((node, height)));
        }
        // Known before its fields are, which may refer to it. Not `Fixed`: nothing is merged with it
        // meanwhile.
        let node = self.add(Skip::Record(Box::default()));
        self.skipped.insert(key.clone(), (node, 0));

        let mut fields: Vec<NodeId> = Vec::with_capacity(record.fields.len());
        let mut bytes_before = 0_u64;
        let mut height = 0;
        for field in &record.fields {
            let Some((inner, inner_height)) = self.skip(&field.schema, full.namespace(), depth_left)? else {
                return Ok(None);
            };
            height = height.max(inner_height);
            if let Skip::Fixed(bytes) = self.code.skips.nodes[inner as usize] {
                bytes_before = bytes_before.saturating_add(bytes);
                continue;
            }
            if bytes_before > 0 {
                fields.push(self.add(Skip::Fixed(bytes_before)));
                bytes_before = 0;
            }
            fields.push(inner);
        }
        let compiled = if fields.is_empty() {
            Skip::Fixed(bytes_before)
        } else {
            if bytes_before > 0 {
                fields.push(self.add(Skip::Fixed(bytes_before)));
            }
            Skip::Record(fields.into())
        };
        self.code.skips.nodes[node as usize] = compiled;
        self.skipped.insert(key, (node, height + 1));
        Ok(Some((node, height + 1)))
    }

    fn add(&mut self, node: Skip) -> NodeId {
        let place = id(self.code.skips.nodes.len());
        self.code.skips.nodes.push(node);
        place
    }
}

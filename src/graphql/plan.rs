//! What a selection asks of one concrete type.
//!
//! Fragments are expanded, repeated keys are merged, and the answer is laid out with its keys in place. `@skip` and `@include` have
//! been taken out by the engine before.

use std::{borrow::Cow, collections::HashSet};

use async_graphql::{
    ContextSelectionSet, Name, Positioned, Value,
    indexmap::{IndexMap, map::Entry},
    parser::types::{Field, Selection, SelectionSet},
};

/// The keys of one object's answer, in the order of the query.
pub type Answer = IndexMap<Name, Value>;

/// What a selection asks of one concrete type.
pub struct Plan<'a> {
    /// Every key of the answer in its place: null where a field will fill it, `__typename` filled in.
    pub(super) answer: Answer,
    /// The fields to resolve, in ascending order of their places.
    pub(super) fields: Vec<PlannedField<'a>>,
}

/// A field of a plan. Owned only where sub-selections had to be merged.
pub(super) struct PlannedField<'a> {
    /// Where its value goes in the answer.
    pub(super) place: usize,
    pub(super) field: Cow<'a, Positioned<Field>>,
}

impl<'a> Plan<'a> {
    /// The plan for an object named `type_name` under the selection at `ctx`.
    pub(super) fn new(ctx: &ContextSelectionSet<'a>, type_name: &str) -> Self {
        let set: &'a SelectionSet = &ctx.item.node;
        let mut plan =
            Self { answer: Answer::with_capacity(set.items.len()), fields: Vec::with_capacity(set.items.len()) };
        plan.collect(ctx, type_name, set, &mut HashSet::new());
        plan
    }

    /// The answer to fill in, for a plan that serves a single object.
    pub(super) fn take_answer(&mut self) -> Answer {
        std::mem::take(&mut self.answer)
    }

    /// Adds what `set` asks of `type_name`. A named fragment is visited once: a second visit could add nothing, and the work
    /// stays linear in the size of the document.
    fn collect(
        &mut self,
        ctx: &ContextSelectionSet<'a>,
        type_name: &str,
        set: &'a SelectionSet,
        visited: &mut HashSet<&'a Name>,
    ) {
        for selection in &set.items {
            let (condition, set) = match &selection.node {
                Selection::Field(field) => {
                    self.add(type_name, field);
                    continue;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    // Validation has refused documents with unknown fragments.
                    let Some(fragment) = ctx.query_env.fragments.get(name) else {
                        continue;
                    };
                    if !visited.insert(name) {
                        continue;
                    }
                    let fragment = &fragment.node;
                    (Some(&fragment.type_condition), &fragment.selection_set)
                }
                Selection::InlineFragment(fragment) => {
                    let fragment = &fragment.node;
                    (fragment.type_condition.as_ref(), &fragment.selection_set)
                }
            };
            let applies = condition.is_none_or(|condition| {
                let on = condition.node.on.node.as_str();
                on == type_name
                    || ctx.schema_env.registry.types.get(on).is_some_and(|on| on.is_possible_type(type_name))
            });
            if applies {
                self.collect(ctx, type_name, &set.node, visited);
            }
        }
    }

    fn add(&mut self, type_name: &str, field: &'a Positioned<Field>) {
        match self.answer.entry(field.node.response_key().node.clone()) {
            Entry::Vacant(entry) if field.node.name.node == "__typename" => {
                entry.insert(Value::String(type_name.to_owned()));
            }
            Entry::Vacant(entry) => {
                let place = entry.index();
                entry.insert(Value::Null);
                let field = Cow::Borrowed(field);
                self.fields.push(PlannedField { place, field });
            }
            Entry::Occupied(entry) => {
                let place = entry.index();
                let more = &field.node.selection_set.node.items;
                if !more.is_empty()
                    && let Ok(at) = self.fields.binary_search_by_key(&place, |field| field.place)
                {
                    let first = self.fields[at].field.to_mut();
                    first.node.selection_set.node.items.extend_from_slice(more);
                }
            }
        }
    }
}

//! Root fields that are selected more than once.
//!
//! `{ a { x } ...F } fragment F on Query { a { y } }` asks for `a` once, with `x` and `y`. The engine would resolve it twice: work
//! done twice in a query, and in a mutation a change made twice. It also overlooks fragments at the root of a subscription. For such
//! documents, which are rare, [`RootFields::merged`] makes an equal one that has plain fields at its root, and each key once.
//!
//! The merged document is validated in the place of the original, so it must be refused where that would be. What is skipped
//! stays as it is. Where a directive of a fragment has done its work, it stays on an inline fragment of its own, so that its
//! variable stays in use.

use std::collections::{HashMap, HashSet};

use async_graphql::{
    InputType, Name, Pos, Positioned, Variables,
    indexmap::{IndexMap, map::Entry},
    parser::types::{
        Directive, DocumentOperations, ExecutableDocument, Field, FragmentDefinition, InlineFragment,
        OperationDefinition, OperationType, Selection, SelectionSet,
    },
};

/// The root of an operation, with its fragments expanded.
pub(super) struct RootFields<'d> {
    /// The first field of each key that is not skipped, in the order of the query.
    pub(super) fields: IndexMap<&'d Name, &'d Positioned<Field>>,
    /// Whether the engine would misunderstand the operation.
    pub(super) needs_merge: bool,
    parts: Vec<Part<'d>>,
    /// The fragments that were expanded.
    expanded: HashSet<&'d Name>,
    /// The fragments that the walk is in.
    open: Vec<&'d Name>,
    /// Whether a fragment spreads itself: for validation to refuse.
    is_cyclic: bool,
}

/// What stands at the root once fragments are expanded.
enum Part<'d> {
    Field(&'d Positioned<Field>),
    Skipped(&'d Positioned<Selection>),
    /// The directives of a fragment that was expanded.
    Directives(Pos, &'d [Positioned<Directive>]),
}

/// Where a walk over the root is.
struct Walk<'d, 'w> {
    fragments: &'d HashMap<Name, Positioned<FragmentDefinition>>,
    root_type: &'w str,
    variables: &'w Variables,
    is_subscription: bool,
}

impl<'d> RootFields<'d> {
    /// Reads the root of `operation`. `variables` have their defaults.
    pub(super) fn read(
        document: &'d ExecutableDocument,
        operation: &'d OperationDefinition,
        root_type: &str,
        variables: &Variables,
    ) -> Self {
        let mut root = Self {
            fields: IndexMap::new(),
            needs_merge: false,
            parts: Vec::new(),
            expanded: HashSet::new(),
            open: Vec::new(),
            is_cyclic: false,
        };
        let is_subscription = operation.ty == OperationType::Subscription;
        let walk = Walk { fragments: &document.fragments, root_type, variables, is_subscription };
        root.walk(&walk, &operation.selection_set.node);
        root
    }

    fn walk(&mut self, walk: &Walk<'d, '_>, set: &'d SelectionSet) {
        for selection in &set.items {
            let directives = selection.node.directives();
            if is_skipped(directives, walk.variables) {
                self.parts.push(Part::Skipped(selection));
                continue;
            }
            let (condition, set) = match &selection.node {
                Selection::Field(field) => {
                    self.add(field);
                    continue;
                }
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    match walk.fragments.get(name) {
                        Some(fragment) if self.expanded.insert(name) => {
                            (Some(&fragment.node.type_condition), &fragment.node.selection_set)
                        }
                        // A second visit adds nothing, but the engine would make it.
                        Some(_) => {
                            self.needs_merge = true;
                            self.is_cyclic |= self.open.contains(&name);
                            self.parts.push(Part::Directives(selection.pos, directives));
                            continue;
                        }
                        // Left for validation to refuse.
                        None => {
                            self.parts.push(Part::Skipped(selection));
                            continue;
                        }
                    }
                }
                Selection::InlineFragment(fragment) => {
                    (fragment.node.type_condition.as_ref(), &fragment.node.selection_set)
                }
            };
            if condition.is_some_and(|condition| condition.node.on.node != walk.root_type) {
                self.parts.push(Part::Skipped(selection));
                continue;
            }
            self.needs_merge |= walk.is_subscription;
            self.parts.push(Part::Directives(selection.pos, directives));
            let depth = self.open.len();
            if let Selection::FragmentSpread(spread) = &selection.node {
                self.open.push(&spread.node.fragment_name.node);
            }
            self.walk(walk, &set.node);
            self.open.truncate(depth);
        }
    }

    fn add(&mut self, field: &'d Positioned<Field>) {
        self.parts.push(Part::Field(field));
        match self.fields.entry(&field.node.response_key().node) {
            Entry::Vacant(entry) => {
                entry.insert(field);
            }
            Entry::Occupied(_) => self.needs_merge = true,
        }
    }

    /// `document` with each root key of `operation` once. Nothing where fields of one key differ in name or arguments, or a
    /// fragment spreads itself: that is for validation to refuse.
    pub(super) fn merged(
        &self,
        document: &ExecutableDocument,
        operation: &OperationDefinition,
    ) -> Option<ExecutableDocument> {
        if self.is_cyclic {
            return None;
        }
        let mut fields: IndexMap<&Name, Positioned<Field>> = IndexMap::new();
        let mut others = Vec::new();
        for part in &self.parts {
            match part {
                Part::Field(field) => match fields.entry(&field.node.response_key().node) {
                    Entry::Vacant(entry) => {
                        entry.insert((*field).clone());
                    }
                    Entry::Occupied(mut first) => {
                        let first = &mut first.get_mut().node;
                        if !is_same_call(first, &field.node) {
                            return None;
                        }
                        let more = &field.node.selection_set.node.items;
                        first.selection_set.node.items.extend_from_slice(more);
                        others.extend(only_directives(field.pos, &field.node.directives));
                    }
                },
                Part::Skipped(selection) => others.push((*selection).clone()),
                Part::Directives(pos, directives) => others.extend(only_directives(*pos, directives)),
            }
        }
        let fields = fields.into_values().map(|field| Positioned::new(Selection::Field(field.clone()), field.pos));
        let mut document = document.clone();
        let merged = match &mut document.operations {
            DocumentOperations::Single(single) => single,
            DocumentOperations::Multiple(all) => {
                all.values_mut().find(|other| other.node.selection_set.pos == operation.selection_set.pos)?
            }
        };
        merged.node.selection_set.node.items = fields.chain(others).collect();
        let used = spread_names(&document);
        document.fragments.retain(|name, _| used.contains(name) || !self.expanded.contains(name));
        Some(document)
    }
}

/// Whether `@skip` or `@include` leaves a selection out. As the engine has it: a condition that is no boolean is false.
fn is_skipped(directives: &[Positioned<Directive>], variables: &Variables) -> bool {
    directives.iter().any(|directive| {
        let include = match directive.node.name.node.as_str() {
            "skip" => false,
            "include" => true,
            _ => return false,
        };
        directive.node.get_argument("if").is_some_and(|condition| {
            let condition = condition.node.clone().into_const_with(|name| variables.get(&name).cloned().ok_or(()));
            let condition = condition.ok().and_then(|condition| bool::parse(Some(condition)).ok());
            condition.unwrap_or_default() != include
        })
    })
}

fn is_same_call(one: &Field, other: &Field) -> bool {
    one.name.node == other.name.node
        && one.arguments.len() == other.arguments.len()
        && one
            .arguments
            .iter()
            .all(|(name, value)| other.get_argument(&name.node).is_some_and(|other| other.node == value.node))
}

/// An inline fragment that does nothing but carry `directives`. Its `__typename` is taken out of the answer again.
fn only_directives(pos: Pos, directives: &[Positioned<Directive>]) -> Option<Positioned<Selection>> {
    if directives.is_empty() {
        return None;
    }
    let type_name = Field {
        alias: None,
        name: Positioned::new(Name::new("__typename"), pos),
        arguments: Vec::new(),
        directives: Vec::new(),
        selection_set: Positioned::default(),
    };
    let items = vec![Positioned::new(Selection::Field(Positioned::new(type_name, pos)), pos)];
    let fragment = InlineFragment {
        type_condition: None,
        directives: directives.to_vec(),
        selection_set: Positioned::new(SelectionSet { items }, pos),
    };
    Some(Positioned::new(Selection::InlineFragment(Positioned::new(fragment, pos)), pos))
}

/// The fragments that the operations of `document` spread, directly or through others.
fn spread_names(document: &ExecutableDocument) -> HashSet<Name> {
    let mut names = HashSet::new();
    let mut sets: Vec<&SelectionSet> =
        document.operations.iter().map(|(_, operation)| &operation.node.selection_set.node).collect();
    while let Some(set) = sets.pop() {
        for selection in &set.items {
            match &selection.node {
                Selection::Field(field) => sets.push(&field.node.selection_set.node),
                Selection::InlineFragment(fragment) => sets.push(&fragment.node.selection_set.node),
                Selection::FragmentSpread(spread) => {
                    let name = &spread.node.fragment_name.node;
                    if names.insert(name.clone())
                        && let Some(fragment) = document.fragments.get(name)
                    {
                        sets.push(&fragment.node.selection_set.node);
                    }
                }
            }
        }
    }
    names
}

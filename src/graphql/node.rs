//! Anything with an id.

use async_graphql::{Context, ID, Interface, Result};

use super::access::Access;
use crate::{
    concrete_types,
    model::{
        artifact::Artifact, file::File, id::NodeId, project::Project, run::Run, session::WorkspaceSession, user::User,
    },
};

/// Anything that can be fetched again by its id.
#[derive(Interface)]
#[graphql(field(name = "id", ty = "ID", desc = "Opaque and stable."))]
pub enum Node {
    /// An artifact.
    Artifact(Artifact),
    /// A file.
    File(File),
    /// A project.
    Project(Project),
    /// A run.
    Run(Run),
    /// A user.
    User(User),
    /// A workspace session.
    WorkspaceSession(WorkspaceSession),
}

concrete_types!(Node: Artifact, File, Project, Run, User, WorkspaceSession);

/// The viewer's node with this id.
pub(super) async fn load(ctx: &Context<'_>, id: NodeId) -> Result<Option<Node>> {
    let loader = ctx.loader()?;
    Ok(match id {
        NodeId::Artifact(id) => loader.load_one(id).await?.map(Node::Artifact),
        NodeId::File(id) => loader.load_one(id).await?.map(Node::File),
        NodeId::Project(id) => loader.load_one(id).await?.map(Node::Project),
        NodeId::Run(id) => loader.load_one(id).await?.map(Node::Run),
        NodeId::Session(id) => loader.load_one(id).await?.map(Node::WorkspaceSession),
        NodeId::User(id) => loader.load_one(id).await?.map(Node::User),
    })
}

//! Projects that are deleted: gone at once, for everybody, and then without a trace.

mod gone;
mod killed;
#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod steps;
mod traces;

use serde_json::{Value, json};

use crate::world::User;

async fn delete(user: &User, project: &str) -> Value {
    user.mutate("deleteProject", json!({ "projectId": project }), "deletedProjectId").await
}

/// Deletes a project that is there.
async fn deleted(user: &User, project: &str) {
    let payload = delete(user, project).await;
    assert_eq!(payload["deletedProjectId"], project, "{payload:#}");
    assert_eq!(payload["userErrors"], json!([]), "{payload:#}");
}

//! What admins see and do.

use workroom::{
    clock,
    model::{
        admin::{AdminActionKind, AdminSessionFilter},
        id::SessionId,
        page::Key,
        scope::{Admin, Viewer},
        session::{SessionEndReason, SessionStatus},
        user::UserRole,
    },
    store::{
        Store,
        admin::{self, NewAction},
        project, session, user,
    },
};

use super::fixture::{Desk, first, reading, session_in, unit, walk};
use crate::support::on_both;

async fn root(store: &Store) -> Admin {
    let root = unit!(store, [] tx => user::ensure(tx, "root", UserRole::Admin, clock::now()).await).expect("a user");
    Admin::of(&Viewer::authenticated(root.id, root.role, None)).expect("an admin")
}

on_both! {
    async fn an_admin_sees_every_session_but_those_of_deleted_projects(store: Store) {
        let root = root(&store).await;
        let (ada, eve) = (Desk::of(&store, "ada").await, Desk::of(&store, "eve").await);
        let going = Desk::another(&store, &ada.viewer).await;
        let late = Desk::another(&store, &eve.viewer).await;
        let (viewer, scope) = (late.viewer, going.scope);
        let over = session_in(&late.scope, -1);
        unit!(store, [over, late] tx => {
            session::end(tx, viewer.user_id(), late.session.id, SessionEndReason::RevokedByUser, clock::now()).await?;
            session::insert_if_none_is_active(tx, &over).await?;
            project::mark_deleting(tx, &scope, clock::now()).await
        })
        .expect("an answer");
        let mut conn = reading(&store).await;
        let mut found = Vec::new();
        for filter in [
            AdminSessionFilter::default(),
            AdminSessionFilter { status: Some(SessionStatus::Active), user_id: None },
            AdminSessionFilter { status: Some(SessionStatus::Ended), user_id: None },
            AdminSessionFilter { status: None, user_id: Some(eve.viewer.user_id()) },
        ] {
            let rows = walk!(1,
                request => admin::sessions(&mut conn, &root, filter, &request).await.expect("a page"),
                row => Key { sort: String::new(), id: row.session.id.0 });
            let count = admin::count_sessions(&mut conn, &root, filter).await.expect("a count");
            assert_eq!(count, rows.len() as u64);
            found.push(rows.into_iter().map(|row| (row.user_name, row.session.status())).collect::<Vec<_>>());
        }
        let (active, ended) = (SessionStatus::Active, SessionStatus::Ended);
        let named = |name: &str, status| (name.to_owned(), status);
        let eves = vec![named("eve", ended), named("eve", ended), named("eve", active)];
        assert_eq!(found[0], [eves.clone(), vec![named("ada", active)]].concat());
        assert_eq!(found[1], [named("eve", active), named("ada", active)]);
        assert_eq!(found[2], eves[..2]);
        assert_eq!(found[3], eves);
        let one = admin::session(&mut conn, &root, over.id).await.expect("a read").expect("the session");
        assert_eq!(one.session.end_reason, Some(SessionEndReason::TtlExpired), "read as it is now");
        for absent in [going.session.id, SessionId::new()] {
            assert_eq!(admin::session(&mut conn, &root, absent).await.expect("a read"), None);
        }
    }

    async fn what_an_admin_did_is_kept_as_it_was_said(store: Store) {
        let root = root(&store).await;
        let ada = Desk::of(&store, "ada").await;
        let now = clock::now();
        let action = |reason: &str| NewAction {
            kind: AdminActionKind::SessionRevoked,
            user_id: ada.viewer.user_id(),
            session_id: ada.session.id,
            reason: reason.into(),
        };
        for reason in ["first 🚪", "second"] {
            let action = action(reason);
            unit!(store, [action] tx => admin::record(tx, &root, &action, now).await).expect("it is kept");
        }
        let mut conn = reading(&store).await;
        let page = admin::actions(&mut conn, &root, &first(1)).await.expect("a page");
        assert!(page.has_next_page);
        assert_eq!(page.items[0].reason, "second", "newest first");
        let rows = walk!(1,
            request => admin::actions(&mut conn, &root, &request).await.expect("a page"),
            row => Key { sort: String::new(), id: row.id.0 });
        assert_eq!(admin::count_actions(&mut conn, &root).await.expect("a count"), 2);
        let kept = &rows[1];
        assert_eq!((kept.reason.as_str(), kept.kind, kept.created_at), ("first 🚪", AdminActionKind::SessionRevoked, now));
        assert_eq!((kept.admin_id, kept.admin_name.as_str()), (root.user_id(), "root"));
        assert_eq!((kept.user_id, kept.user_name.as_str(), kept.session_id), (ada.viewer.user_id(), "ada", ada.session.id));
    }
}

#[test]
fn only_an_admin_is_one() {
    let viewer = |role| Viewer::authenticated(workroom::model::id::UserId::new(), role, None);
    assert!(Admin::of(&viewer(UserRole::User)).is_none());
    assert!(Admin::of(&viewer(UserRole::Admin)).is_some());
}

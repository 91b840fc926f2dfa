//! `workroom token create|list|revoke`.

use std::process::ExitCode;

use clap::Subcommand;
use serde_json::json;

use super::house::open_store;
use crate::{
    app::access::{NewToken, create_token, list_tokens, revoke_token},
    clock,
    config::{Settings, duration},
    error::Result,
    model::{
        id::TokenId,
        user::{Token, TokenScope},
    },
};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token and print it; it cannot be shown again
    Create {
        /// Whose token: a user of this name is made if there is none
        #[arg(long, value_name = "NAME")]
        user: String,
        /// Make the user an admin
        #[arg(long)]
        admin: bool,
        /// Make a token for a worker that lives elsewhere: it claims and executes this user's runs, reads, and changes nothing else
        #[arg(long, conflicts_with = "admin")]
        worker: bool,
        /// How long it works, as in `30d`; for ever when nothing is said
        #[arg(long, value_name = "TIME")]
        expires: Option<String>,
        /// Print `{"token": …}` instead of the bare token
        #[arg(long)]
        json: bool,
    },
    /// List all tokens, without their secrets
    List {
        /// Print a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Revoke a token by its id; what it has open is closed within a second
    Revoke {
        /// The token's id, from `workroom token list`
        id: TokenId,
    },
}

pub(super) async fn run(settings: &Settings, command: Command) -> Result<ExitCode> {
    let store = open_store(settings).await?;
    match command {
        Command::Create { user, admin, worker, expires, json } => {
            let scope = if worker { TokenScope::Worker } else { TokenScope::User };
            let expires_in = expires.map(|text| duration("expires", Some(text), "")).transpose()?;
            let (_, secret) = create_token(&store, NewToken { user_name: user, admin, scope, expires_in }).await?;
            if json { println!("{}", json!({ "token": secret })) } else { println!("{secret}") }
        }
        Command::List { json } => list(&list_tokens(&store).await?, json),
        Command::Revoke { id } => {
            revoke_token(&store, id).await?;
            println!("{id} is revoked.");
        }
    }
    store.close().await;
    Ok(ExitCode::SUCCESS)
}

fn list(tokens: &[Token], as_json: bool) {
    let state = |token: &Token| match token {
        token if token.revoked_at.is_some() => "revoked",
        token if token.expires_at.is_some_and(|at| at <= clock::now()) => "expired",
        _ => "valid",
    };
    let scope = |token: &Token| match token.scope {
        TokenScope::User => "user",
        TokenScope::Worker => "worker",
    };
    if as_json {
        let rows: Vec<_> = tokens
            .iter()
            .map(|token| {
                json!({
                    "id": token.id, "user": token.user_name, "scope": scope(token), "state": state(token),
                    "createdAt": token.created_at, "expiresAt": token.expires_at, "revokedAt": token.revoked_at,
                })
            })
            .collect();
        println!("{}", json!(rows));
        return;
    }
    println!("{:<32}  {:<20}  {:<6}  {:<8}  {:<20}  EXPIRES", "ID", "USER", "SCOPE", "STATE", "CREATED");
    for token in tokens {
        let expires = token.expires_at.map_or_else(|| "never".into(), |at| at.format("%F %T").to_string());
        println!(
            "{:<32}  {:<20}  {:<6}  {:<8}  {:<20}  {expires}",
            token.id.to_string(),
            token.user_name,
            scope(token),
            state(token),
            token.created_at.format("%F %T").to_string()
        );
    }
}

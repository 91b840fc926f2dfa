//! What others say of the schema: graphql-eslint of its habits, graphql-inspector of what has changed since the last release.
//! Both are told about made-up schemas too, so that a gate that lets everything through is noticed. They come from npm:
//! `npm ci --prefix tests/lint`.

use std::{fs, path::Path};

use tokio::process::Command;

use crate::support::program::{installed, to_the_end};

const SCHEMA: &str = include_str!("../schema.graphql");
const RELEASED: &str = include_str!("lint/released.graphql");

/// A program that was installed, over a folder with these files.
async fn run(program: &str, arguments: &[&str], files: &[(&str, &str)]) -> (bool, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (name, text) in files {
        fs::write(folder.path().join(name), text).expect("a file");
    }
    installed("tests/lint/node_modules");
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint").join(program);
    to_the_end(Command::new("node").arg(program).args(arguments).current_dir(folder.path())).await
}

/// What graphql-eslint says of a schema.
async fn lint(schema: &str) -> (bool, String) {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/lint/eslint.config.mjs");
    let arguments = ["--config", config, "--max-warnings", "0", "schema.graphql"];
    run("node_modules/eslint/bin/eslint.js", &arguments, &[("schema.graphql", schema)]).await
}

/// What the gate says of a schema that follows a released one.
async fn breaking(released: &str, schema: &str, changelog: &str) -> (bool, String) {
    let files = [("released.graphql", released), ("schema.graphql", schema), ("CHANGELOG.md", changelog)];
    run("breaking.mjs", &files.map(|(name, _)| name), &files).await
}

#[tokio::test]
async fn the_schema_has_the_habits_that_others_recommend() {
    let (well, said) = lint(SCHEMA).await;
    assert!(well, "{said}");
}

#[tokio::test]
async fn a_schema_without_them_is_refused() {
    let faults = [
        ("naming-convention", "\tpromptCharacters: ", "\tPromptCharacters: "),
        ("require-description", "\nschema {", "\ntype Alone { id: ID! }\nschema {"),
        ("no-unreachable-types", "\nschema {", "\ntype Lonely { id: ID! }\nschema {"),
        ("strict-id-in-types", "\nschema {", "\ntype Nobody { name: String }\nschema {"),
        ("relay-arguments", "\t\tlast: Int,\n", "\t\tlast: String,\n"),
        ("relay-connection-types", "\tpageInfo: PageInfo!", "\tpageInfo: PageInfo"),
        ("relay-edge-types", "\tcursor: String!", "\tcursor: [String!]"),
        ("relay-page-info", "\thasNextPage: Boolean!", "\thasNextPage: Boolean"),
    ];
    let schema = faults.iter().fold(SCHEMA.to_owned(), |schema, (_, right, wrong)| schema.replacen(right, wrong, 1));
    let (well, said) = lint(&schema).await;
    assert!(!well);
    let silent: Vec<_> = faults.iter().map(|(rule, ..)| rule).filter(|rule| !said.contains(**rule)).collect();
    assert!(silent.is_empty(), "{silent:?} found nothing:\n{said}");
}

#[tokio::test]
async fn whatever_breaks_clients_since_the_last_release_is_named_in_the_changelog() {
    let (well, said) = breaking(RELEASED, SCHEMA, include_str!("../CHANGELOG.md")).await;
    assert!(well, "{said}");
}

const BEFORE: &str = "# The schema of the last release: 1.2.0
    type Query { pages(first: Int, after: String): PageList!  page: Page }
    type PageList { pages: [Page!]! }  type Page { title: String  size: Int! }";

/// A changelog that says this of what is not released.
fn changelog(items: &str) -> String {
    format!(
        "# Changelog\n\n## Unreleased\n\n{items}\n## 1.2.0\n\n- Breaking: `Query.page` `Page.size` `PageList`.\n\n## 1.1.0\n"
    )
}

#[tokio::test]
async fn a_breaking_change_that_nobody_names_is_refused() {
    let gone = BEFORE.replace("size: Int!", "");
    let other = BEFORE.replace("pages(first: Int, after: String): PageList!", "pages: PageConnection!");
    let other = other.replace("type PageList { pages: [Page!]! }", "type PageConnection { nodes: [Page!]! }");
    for (after, items, missing) in [
        // Not named at all; what an earlier release said does not count.
        (&gone, "", "Page.size"),
        (&gone, "- Page.size is no more.\n", "Page.size"),
        // Another one, one of which it is a part, and one that is a part of it.
        (&gone, "- Breaking: `Page.title`, Page.sizes, Page, Page.size.unit.\n", "Page.size"),
        // Beside the item, and after it.
        (&gone, "- Breaking: much.\n- Page.size is no more.\n", "Page.size"),
        (&gone, "- Breaking: much.\n\nPage.size is no more.\n", "Page.size"),
        // One of several.
        (
            &other,
            "- Breaking: `Query.pages` is a `PageConnection`, without `Query.pages.first` and `Query.pages.after`.\n",
            "PageList",
        ),
    ] {
        let (well, said) = breaking(BEFORE, after, &changelog(items)).await;
        assert!(!well && said.contains(&format!("\n  {missing}: ")), "{items} should not do:\n{said}");
    }
}

#[tokio::test]
async fn a_breaking_change_that_is_named_is_let_through_and_so_is_what_breaks_nothing() {
    let gone = BEFORE.replace("size: Int!", "");
    let more = BEFORE.replace("size: Int!", "size: Int!  lines: Int");
    let both = BEFORE.replace("size: Int!", "").replace(", after: String", "");
    for (after, items) in [
        (BEFORE, ""),
        (&more, "- `Page.lines`.\n"),
        (&gone, "- Breaking: `Page.size` is no more.\n"),
        (&both, "- More.\n- Breaking: Page.size is no more, and\n  neither is `Query.pages.after`.\n- Better.\n"),
        (&both, "- Breaking: Page.size is no more.\n- Breaking: `Query.pages.after` neither.\n"),
    ] {
        let (well, said) = breaking(BEFORE, after, &changelog(items)).await;
        assert!(well, "{items} should do:\n{said}");
    }
}

#[tokio::test]
async fn a_released_schema_that_is_not_the_last_one_is_noticed() {
    let later = changelog("").replace("## 1.2.0", "## 1.3.0 (today)\n\n- More.\n\n## 1.2.0");
    let (well, said) = breaking(BEFORE, BEFORE, &later).await;
    assert!(!well && said.contains("The last release is 1.3.0"), "{said}");
    let (well, said) = breaking(BEFORE, BEFORE, "# Changelog\n\n## 1.2.0\n").await;
    assert!(!well && said.contains("Unreleased"), "{said}");
}

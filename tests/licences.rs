//! The licences of what the product is made of. Everything in the dependency trees, cargo's and the page's, may be used under
//! at least one licence that asks for no more than a notice.

use std::{collections::BTreeSet, process::Stdio, time::Duration};

use serde::Deserialize;
use serde_json::Value;
use tokio::{process::Command, time::timeout};

/// The licences that are taken: permissive ones, each found in the tree.
const ALLOWED: &[&str] = &[
    "MIT",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Zlib",
    // The Unicode character data that comes with `unicode-ident`, ICU and others: permissive, like the MIT licence.
    "Unicode-3.0",
    // Takes away conditions of Apache-2.0 for compiled code, and adds none.
    "Apache-2.0 WITH LLVM-exception",
    // The MIT licence without the condition to show it.
    "0BSD",
    // Python's, as permissive as BSD's: of a part of the Markdown reader's command line, which stays out of the page.
    "PSF-2.0",
];

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    version: String,
    license: Option<String>,
}

/// An SPDX expression, read from the left: `OR` of `AND`s of licences and of expressions in brackets.
struct Expression<'e> {
    words: std::iter::Peekable<std::vec::IntoIter<&'e str>>,
    /// The licences that made it true.
    taken: BTreeSet<String>,
}

impl<'e> Expression<'e> {
    /// The text's words. Before SPDX expressions, crates wrote `/` for `OR`.
    fn read(text: &'e str) -> Self {
        let mut words = Vec::new();
        for word in text.split([' ', '/']).filter(|word| !word.is_empty()) {
            let inner = word.trim_start_matches('(');
            words.extend(std::iter::repeat_n("(", word.len() - inner.len()));
            let name = inner.trim_end_matches(')');
            words.push(name);
            words.extend(std::iter::repeat_n(")", inner.len() - name.len()));
        }
        if text.contains('/') {
            let names = words.split_off(0);
            for (at, name) in names.into_iter().enumerate() {
                if at > 0 {
                    words.push("OR");
                }
                words.push(name);
            }
        }
        Self { words: words.into_iter().peekable(), taken: BTreeSet::new() }
    }

    fn next_is(&mut self, word: &str) -> bool {
        self.words.next_if(|next| *next == word).is_some()
    }

    fn any(&mut self) -> bool {
        let mut holds = self.all();
        while self.next_is("OR") {
            holds |= self.all();
        }
        holds
    }

    fn all(&mut self) -> bool {
        let mut holds = self.one();
        while self.next_is("AND") {
            holds &= self.one();
        }
        holds
    }

    fn one(&mut self) -> bool {
        if self.next_is("(") {
            let holds = self.any();
            assert!(self.next_is(")"), "a bracket is not closed");
            return holds;
        }
        let mut licence = self.words.next().unwrap_or_default().to_owned();
        if self.next_is("WITH") {
            licence = format!("{licence} WITH {}", self.words.next().unwrap_or_default());
        }
        let allowed = ALLOWED.contains(&licence.as_str());
        if allowed {
            self.taken.insert(licence);
        }
        allowed
    }
}

/// Whether the expression lets us use a thing under allowed licences alone.
fn is_satisfied(text: &str) -> bool {
    let mut expression = Expression::read(text);
    expression.any() && expression.words.next().is_none()
}

/// What the page at `/graphiql` is made of; what only builds it is left out.
fn page_packages() -> Vec<Package> {
    let lock: Value = serde_json::from_str(include_str!("../web/package-lock.json")).expect("npm's own JSON");
    let packages = lock["packages"].as_object().expect("packages").iter();
    let shipped = packages.filter(|(path, package)| !path.is_empty() && package["dev"] != true);
    let text = |value: &Value| value.as_str().map(str::to_owned);
    shipped
        .map(|(path, package)| Package {
            name: path.trim_start_matches("node_modules/").to_owned(),
            version: text(&package["version"]).expect("a version"),
            license: text(&package["license"]),
        })
        .collect()
}

#[tokio::test]
async fn every_dependency_has_a_licence_that_we_take() {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let child = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--offline", "--locked"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = timeout(Duration::from_mins(1), child).await.expect("cargo ends in time").expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let Metadata { mut packages } = serde_json::from_slice(&output.stdout).expect("cargo's own JSON");
    assert!(packages.len() > 100, "this is not the whole tree");
    let of_the_page = page_packages();
    assert!(of_the_page.len() > 50, "this is not the whole page");
    packages.extend(of_the_page);
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !package.license.as_deref().is_some_and(is_satisfied))
        .map(|package| {
            format!("{} {}: {}", package.name, package.version, package.license.as_deref().unwrap_or("none"))
        })
        .collect();
    assert!(refused.is_empty(), "these cannot be used:\n{}", refused.join("\n"));

    let mut taken = BTreeSet::new();
    for licence in packages.iter().filter_map(|package| package.license.as_deref()) {
        let mut expression = Expression::read(licence);
        expression.any();
        taken.append(&mut expression.taken);
    }
    let idle: Vec<_> = ALLOWED.iter().filter(|licence| !taken.contains(**licence)).collect();
    assert!(idle.is_empty(), "nothing needs these any more, take them off the list: {idle:?}");
}

#[test]
fn expressions_are_read_as_they_are_meant() {
    for good in [
        "MIT",
        "MIT/Apache-2.0",
        "Apache-2.0 / MIT",
        "GPL-3.0-only OR MIT",
        "(GPL-3.0-only OR MIT) AND ISC",
        "(MIT OR Apache-2.0) AND Unicode-3.0",
        "MIT OR GPL-2.0-only AND AGPL-3.0-only",
        "Apache-2.0 WITH LLVM-exception",
    ] {
        assert!(is_satisfied(good), "{good}");
    }
    for bad in [
        "",
        "GPL-3.0-or-later",
        "AGPL-3.0-only",
        "LGPL-2.1-or-later",
        "MIT AND GPL-3.0-only",
        "(MIT OR GPL-2.0-only) AND AGPL-3.0-only",
        "GPL-2.0-only WITH Classpath-exception-2.0",
        "MIT Apache-2.0",
        "BUSL-1.1",
    ] {
        assert!(!is_satisfied(bad), "{bad}");
    }
}

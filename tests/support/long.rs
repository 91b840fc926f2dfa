//! How much time there is.

use std::io::Write;

use super::postgres::variable;

/// The long mode: the stories that take minutes are told as well, and the others at their full length.
pub fn long() -> bool {
    variable("WORKROOM_LONG").as_deref() == Some("1")
}

/// Says something that whoever runs the tests has to know, even if all of them succeed: such as what could not be told here.
pub fn say(what: &str) {
    // Not by a macro, whose output is shown only of stories that fail.
    let _ = writeln!(std::io::stderr(), "{what}");
}

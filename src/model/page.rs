//! Pages of a list: one pagination for the whole house.
//!
//! A cursor names the list that it belongs to (which list, of whom, in which order, through which filter) and the last
//! row's sort key. One that comes back to another list is refused, never guessed at. Event cursors are the exception: the
//! bare sequence, in decimal.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::error::{Error, Result};

/// What a connection is given when neither `first` nor `last` is.
pub const DEFAULT_SIZE: i32 = 50;
/// The most that a page holds.
pub const MAX_SIZE: i32 = 100;
/// The most events that a page holds.
pub const MAX_EVENTS: i32 = 500;

/// The arguments of a connection.
#[derive(Clone, Debug, Default)]
pub struct PageArgs {
    /// So many from the start.
    pub first: Option<i32>,
    /// Those after this cursor.
    pub after: Option<String>,
    /// So many from the end.
    pub last: Option<i32>,
    /// Those before this cursor.
    pub before: Option<String>,
}

/// Which end of the list a page is taken from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Take {
    /// From the start, or after the `after` cursor.
    First,
    /// From the end, or before the `before` cursor.
    Last,
}

/// A page to be read: at most `size` rows between two keys.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct PageRequest<K> {
    /// Rows at the most.
    pub size: i64,
    /// Only rows after this key.
    pub after: Option<K>,
    /// Only rows before this key.
    pub before: Option<K>,
    /// From which end.
    pub take: Take,
}

/// A page that was read.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<T> {
    /// In the list's order, whichever end the page was taken from.
    pub items: Vec<T>,
    /// The list goes on after the last item.
    pub has_next_page: bool,
    /// The list has something before the first item.
    pub has_previous_page: bool,
}

impl<K> PageRequest<K> {
    /// Checks the arguments of a connection; `key` reads a cursor.
    pub fn new(args: &PageArgs, most: i32, key: impl Fn(&str) -> Result<K>) -> Result<Self> {
        let checked = |name: &'static str, size: i32| {
            if (1..=most).contains(&size) {
                Ok(i64::from(size))
            } else {
                Err(Error::invalid(format!("`{name}` is from 1 to {most}; it was {size}.")).at([name]))
            }
        };
        let (size, take) = match (args.first, args.last) {
            (Some(_), Some(_)) => {
                return Err(Error::invalid("Give `first` or `last`, not both.").at(["first"]));
            }
            (None, Some(last)) => (checked("last", last)?, Take::Last),
            (first, None) => (checked("first", first.unwrap_or(DEFAULT_SIZE))?, Take::First),
        };
        let read = |name: &'static str, cursor: &Option<String>| {
            cursor.as_deref().map(|text| key(text).map_err(|error| error.at([name]))).transpose()
        };
        Ok(Self { size, after: read("after", &args.after)?, before: read("before", &args.before)?, take })
    }

    /// Makes the page of the rows read: the store reads one row more than `size`, in reading order (from the end when the
    /// page is the last).
    pub fn page<T>(&self, mut rows: Vec<T>) -> Page<T> {
        let wanted = usize::try_from(self.size).unwrap_or(usize::MAX);
        let more = rows.len() > wanted;
        rows.truncate(wanted);
        match self.take {
            Take::First => Page { items: rows, has_next_page: more, has_previous_page: self.after.is_some() },
            Take::Last => {
                rows.reverse();
                Page { items: rows, has_next_page: self.before.is_some(), has_previous_page: more }
            }
        }
    }
}

/// The key of a row in a sorted list: what it is sorted by, then its id.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Key {
    /// The sort value: text as it is, a time as microseconds since 1970 in decimal; the store reads it back.
    pub sort: String,
    /// Breaks ties.
    pub id: Uuid,
}

/// A list, as its cursors know it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListId([u8; 8]);

impl ListId {
    /// The list of this name, of whom or what `parts` say, in the order and through the filter that they say.
    pub fn new(name: &str, parts: &impl std::fmt::Debug) -> Self {
        let digest = Sha256::digest(format!("{name}\n{parts:?}"));
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        Self(id)
    }

    /// The cursor of a row of this list.
    pub fn cursor(&self, key: &Key) -> String {
        let mut bytes = Vec::with_capacity(24 + key.sort.len());
        bytes.extend_from_slice(&self.0);
        bytes.extend_from_slice(key.id.as_bytes());
        bytes.extend_from_slice(key.sort.as_bytes());
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// The key in a cursor of this list.
    pub fn key(&self, cursor: &str) -> Result<Key> {
        let refused = || Error::invalid("This is not a cursor of this list in this order and with this filter.");
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| refused())?;
        let (list, rest) = bytes.split_first_chunk::<8>().ok_or_else(refused)?;
        let (id, sort) = rest.split_first_chunk::<16>().ok_or_else(refused)?;
        if *list != self.0 {
            return Err(refused());
        }
        let sort = std::str::from_utf8(sort).map_err(|_| refused())?;
        Ok(Key { sort: sort.to_owned(), id: Uuid::from_bytes(*id) })
    }
}

/// The sequence in an event cursor.
pub fn sequence(cursor: &str) -> Result<i64> {
    cursor.parse().ok().filter(|sequence| *sequence >= 0 && !cursor.starts_with('+')).ok_or_else(|| {
        Error::invalid("An event's cursor is its sequence in decimal, as in \"42\"; \"0\" is before the first.")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_outside_the_bounds_are_refused_not_clamped() {
        let read = |args: &PageArgs| PageRequest::new(args, MAX_SIZE, |_| Ok(()));
        for first in [0, -1, 101, 1_000_000] {
            assert!(read(&PageArgs { first: Some(first), ..PageArgs::default() }).is_err(), "{first}");
            assert!(read(&PageArgs { last: Some(first), ..PageArgs::default() }).is_err(), "{first}");
        }
        assert!(read(&PageArgs { first: Some(1), last: Some(1), ..PageArgs::default() }).is_err());
        assert_eq!(read(&PageArgs::default()).unwrap().size, 50);
    }

    #[test]
    fn a_cursor_belongs_to_its_list() {
        let mine = ListId::new("projects", &("me", "by name"));
        let other = ListId::new("projects", &("you", "by name"));
        let key = Key { sort: "alpha".into(), id: Uuid::from_u128(7) };
        assert_eq!(mine.key(&mine.cursor(&key)).unwrap(), key);
        assert!(mine.key(&other.cursor(&key)).is_err());
        for nonsense in ["", "x", "%%%", "AAAAAAAAAAA", "0"] {
            assert!(mine.key(nonsense).is_err());
        }
    }

    #[test]
    fn pages_know_what_is_around_them() {
        let request = |take, after, before| PageRequest::<i32> { size: 2, after, before, take };
        let page = request(Take::First, None, None).page(vec![1, 2, 3]);
        assert_eq!((page.items, page.has_next_page, page.has_previous_page), (vec![1, 2], true, false));
        let page = request(Take::Last, None, Some(9)).page(vec![8, 7]);
        assert_eq!((page.items, page.has_next_page, page.has_previous_page), (vec![7, 8], true, false));
    }

    #[test]
    fn event_cursors_are_plain_numbers() {
        assert_eq!(sequence("42").unwrap(), 42);
        for bad in ["", "-1", "+1", "1.0", "abc", "99999999999999999999"] {
            assert!(sequence(bad).is_err(), "{bad}");
        }
    }
}

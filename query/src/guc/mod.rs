//! The settings of a session: SET, SHOW, RESET, and what a transaction's end does to them.
//!
//! Each setting is a row of [`definition::DEFINITIONS`]. A session holds the values that differ from the
//! defaults. SET in a transaction is undone when the transaction rolls back, SET LOCAL at its end either
//! way: every change in a transaction leaves an undo entry.
//!
//! Invariants:
//! 1. A value in `values` has passed its definition's check, in the form that SHOW prints.
//! 2. `format` is derived from `values` and rebuilt with each change of a setting that it depends on.

mod definition;

pub use definition::{DEFINITIONS, Definition};

use crate::plan::SetScope;
use crate::settings::FormatSettings;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::rc::Rc;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use vireo_abi::message::error::{SqlError, SqlResult, state};

/// The name as SHOW ALL spells it and the value as SHOW prints it.
///
/// # Errors
/// 42704 for a setting that does not exist, 55P02 for one that cannot be changed, 22023 for a value that it does
/// not take.
pub fn check(name: &str, value: &str) -> SqlResult<(&'static str, String)> {
    let definition = find_changeable(name)?;
    Ok((definition.name, definition.check(value)?))
}

fn find_changeable(name: &str) -> SqlResult<&'static Definition> {
    let definition = definition::find(name)?;
    if definition.is_read_only() {
        return Err(SqlError::new(
            state::CANT_CHANGE_RUNTIME_PARAM,
            format!("parameter \"{}\" cannot be changed", definition.name),
        ));
    }
    Ok(definition)
}

struct Undo {
    name: &'static str,
    before: Option<String>,
    is_local: bool,
}

/// A session's settings.
#[derive(Default)]
pub struct Settings {
    values: BTreeMap<&'static str, String>,
    /// What RESET goes back to, where the client's startup packet said something else than the default.
    session: BTreeMap<&'static str, String>,
    undo: Vec<Undo>,
    changed: Vec<&'static str>,
    format: Rc<FormatSettings>,
}

impl Settings {
    /// The settings of a session that was opened with `startup` values.
    ///
    /// # Errors
    /// As [`check`], of the first value that is refused.
    pub fn open(startup: &[(String, String)]) -> SqlResult<Settings> {
        let mut settings = Settings::default();
        for (name, value) in startup {
            let (name, value) = check(name, value)?;
            settings.session.insert(name, value.clone());
            settings.put(name, Some(value));
        }
        settings.changed.clear();
        Ok(settings)
    }

    /// SET, or RESET with no value. `in_transaction`: the change is undone if it rolls back.
    pub fn set(&mut self, name: &str, value: Option<&str>, scope: SetScope) -> SqlResult<()> {
        let definition = find_changeable(name)?;
        let value = match value {
            Some(value) => Some(definition.check(value)?),
            None => self.session.get(definition.name).cloned(),
        };
        let before = self.values.get(definition.name).cloned();
        self.undo.push(Undo {
            name: definition.name,
            before,
            is_local: scope == SetScope::Local,
        });
        self.put(definition.name, value);
        Ok(())
    }

    /// RESET ALL: every setting back to what the session began with.
    pub fn reset_all(&mut self) -> SqlResult<()> {
        let names: Vec<&'static str> = self.values.keys().copied().collect();
        for name in names {
            self.set(name, None, SetScope::Session)?;
        }
        Ok(())
    }

    /// The value that SHOW prints.
    pub fn show(&self, name: &str) -> SqlResult<String> {
        let definition = definition::find(name)?;
        Ok(self.get(definition.name).to_string())
    }

    /// The value of a setting that exists.
    ///
    /// # Panics
    /// If there is no such setting: a misspelt name in our own code.
    pub fn get(&self, name: &str) -> &str {
        match self.values.get(name) {
            Some(value) => value,
            // A transaction is what the session's transactions are, unless it was told otherwise.
            None if name == "transaction_isolation" => self.get("default_transaction_isolation"),
            None if name == "transaction_read_only" => self.get("default_transaction_read_only"),
            None => {
                definition::find(name)
                    .expect("a setting that exists")
                    .default
            }
        }
    }

    /// Whether a boolean setting is on.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) == "on"
    }

    /// How values are read and shown.
    pub fn format(&self) -> &Rc<FormatSettings> {
        &self.format
    }

    /// The transaction committed: only what SET LOCAL changed goes back.
    pub fn commit(&mut self) {
        let undo = core::mem::take(&mut self.undo);
        for entry in undo.into_iter().rev() {
            if entry.is_local {
                self.put(entry.name, entry.before);
            }
        }
    }

    /// The transaction rolled back: everything that it changed goes back.
    pub fn roll_back(&mut self) {
        let undo = core::mem::take(&mut self.undo);
        for entry in undo.into_iter().rev() {
            self.put(entry.name, entry.before);
        }
    }

    /// The settings that changed since the last call and their values now.
    pub fn take_changed(&mut self) -> Vec<(String, String)> {
        let mut changed = core::mem::take(&mut self.changed);
        changed.sort_unstable();
        changed.dedup();
        changed
            .into_iter()
            .map(|name| (name.to_string(), self.get(name).to_string()))
            .collect()
    }

    fn put(&mut self, name: &'static str, value: Option<String>) {
        match value {
            Some(value) => self.values.insert(name, value),
            None => self.values.remove(name),
        };
        self.changed.push(name);
        let value = self.get(name).to_string();
        definition::apply_format(name, &value, Rc::make_mut(&mut self.format));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn after(steps: &[(&str, Option<&str>, SetScope)]) -> Settings {
        let mut settings = Settings::default();
        for (name, value, scope) in steps {
            settings.set(name, *value, *scope).expect("a good setting");
        }
        settings
    }

    #[test]
    fn commit_keeps_session_and_undoes_local() {
        let mut s = after(&[
            ("extra_float_digits", Some("0"), SetScope::Session),
            ("bytea_output", Some("escape"), SetScope::Local),
        ]);
        assert!(!s.format().bytea_hex);
        s.commit();
        assert_eq!(s.get("extra_float_digits"), "0");
        assert_eq!(s.get("bytea_output"), "hex");
        assert!(s.format().bytea_hex);
    }

    #[test]
    fn rollback_undoes_in_reverse() {
        let mut s = after(&[
            ("work_mem", Some("8MB"), SetScope::Session),
            ("work_mem", Some("16MB"), SetScope::Session),
        ]);
        s.roll_back();
        assert_eq!(s.get("work_mem"), "4MB");
    }

    #[test]
    fn names_and_values_are_checked() {
        let mut s = Settings::default();
        let e = s
            .set("no_such", Some("1"), SetScope::Session)
            .expect_err("unknown");
        assert_eq!(
            e.message,
            "unrecognized configuration parameter \"no_such\""
        );
        let e = s
            .set("server_version", Some("1"), SetScope::Session)
            .expect_err("read only");
        assert_eq!(e.state(), "55P02");
        let e = s
            .set("synchronous_commit", Some("maybe"), SetScope::Session)
            .expect_err("bad");
        assert_eq!(e.state(), "22023");
    }

    #[test]
    fn datestyle_takes_parts_in_any_order() {
        let s = after(&[("DateStyle", Some("dmy, german"), SetScope::Session)]);
        assert_eq!(s.get("DateStyle"), "German, DMY");
    }
}

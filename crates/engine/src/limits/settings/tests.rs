use super::*;
use std::collections::BTreeSet;

const PAGE: &str = include_str!("../../../../../docs/settings.md");

#[test]
fn a_setting_is_found_by_its_reference_name_in_any_case() {
    let mut limits = Limits::default();
    assert_eq!(limits.set("limit.maxIDLength", "255"), Ok(()));
    assert_eq!(limits.set("HISTORY.longpollexpirationinterval", "\"2s\""), Ok(()));
    assert_eq!((limits.id_length_bytes, limits.long_poll_ns), (255, 2 * SECOND_NS));
}

#[test]
fn a_setting_that_is_given_twice_has_the_later_value() {
    let mut limits = Limits::default();
    for value in ["true", "false"] {
        assert_eq!(limits.set("system.enableActivityEagerExecution", value), Ok(()));
    }
    assert!(!limits.activity_eager_execution);
    assert_eq!(limits.set("system.enableActivityEagerExecution", "true"), Ok(()));
    assert!(limits.activity_eager_execution);
}

#[test]
fn times_are_texts_with_units_or_seconds() {
    let mut limits = Limits::default();
    for (value, ns) in [("\"500ms\"", SECOND_NS / 2), ("0", 0), ("\"0s\"", 0), ("7", 7 * SECOND_NS)] {
        assert_eq!(limits.set("history.workflowIdReuseMinimalInterval", value), Ok(()), "{value}");
        assert_eq!(limits.workflow_id_reuse_min_interval_ns, ns, "{value}");
    }
}

#[test]
fn a_value_of_another_kind_changes_nothing_and_is_told() {
    for (key, value, kind) in [
        ("limit.maxIDLength", "\"255\"", "a whole number"),
        ("limit.maxIDLength", "-1", "a whole number"),
        ("limit.maxIDLength", "many", "a whole number"),
        ("system.enableActivityEagerExecution", "1", "true or false"),
        ("history.longPollExpirationInterval", "\"-2s\"", "a length of time, like \"30s\" or 30"),
        ("history.maxTotalUpdates.suggestContinueAsNewThreshold", "1.5", "a number from 0 to 1"),
        ("matching.pollerScalingTaskAddToDispatchRatio", "-1", "a number, not below 0"),
        ("worker.protectedNamespaces", "\"a\"", "a list of names"),
        ("worker.protectedNamespaces", "[\"a\", 1]", "a list of names"),
        ("callback.allowedAddresses", "{}", "a list of objects with Pattern and AllowInsecure"),
    ] {
        let mut limits = Limits::default();
        let (key, value) = (key.to_owned(), value.to_owned());
        let told = limits.set(&key, &value);
        assert_eq!(told, Err(Ineffective::Unreadable { key, value, kind }));
        assert_eq!(limits, Limits::default());
    }
}

#[test]
fn lists_and_shares_are_read() {
    let mut limits = Limits::default();
    limits.set("worker.protectedNamespaces", "[\"a\", \"b\"]").unwrap();
    limits.set("history.maxTotalUpdates.suggestContinueAsNewThreshold", "0.5").unwrap();
    limits
        .set(
            "component.callbacks.allowedAddresses",
            r#"[{"Pattern": "*.example", "AllowInsecure": true}, {"AllowInsecure": true}, {"Pattern": "b:1"}]"#,
        )
        .unwrap();
    assert_eq!(limits.protected_namespaces, ["a", "b"]);
    assert_eq!(limits.total_updates_suggest_continue_as_new_percent, 50);
    let allowed = |pattern: &str, allow_insecure| AllowedAddress { pattern: pattern.to_owned(), allow_insecure };
    assert_eq!(limits.callback_addresses, [allowed("*.example", true), allowed("b:1", false)]);
}

#[test]
fn a_name_that_is_not_known_and_one_without_meaning_are_told_apart() {
    let mut limits = Limits::default();
    let unknown = limits.set("some.unknownKey", "1");
    assert_eq!(unknown, Err(Ineffective::Unknown { key: "some.unknownKey".to_owned() }));
    let without = limits.set("matching.rps", "5000").unwrap_err();
    let told = "the setting matching.rps has no effect on this server: requests are not limited by their rate";
    assert_eq!(without.to_string(), told);
}

#[test]
fn a_name_stands_in_the_tables_once() {
    let mut seen = BTreeSet::new();
    for key in known_keys() {
        assert!(seen.insert(key.to_ascii_lowercase()), "{key} stands there twice");
    }
}

/// The rows of the page: what stands in its first two columns.
fn rows() -> Vec<(&'static str, &'static str)> {
    let columns = |line: &'static str| {
        let mut columns = line.strip_prefix("| `")?.split('|');
        Some((columns.next()?.trim().trim_end_matches('`'), columns.next()?.trim()))
    };
    PAGE.lines().filter_map(columns).collect()
}

#[test]
fn the_page_of_settings_has_a_row_for_each_with_its_default() {
    let rows = rows();
    let defaults = Limits::default();
    for setting in SETTINGS {
        let row = rows.iter().find(|(key, _)| *key == setting.key);
        let (_, default) = row.unwrap_or_else(|| panic!("docs/settings.md has no row for {}", setting.key));
        let mut told = Limits::default();
        assert_eq!(told.set(setting.key, default.trim_matches('`')), Ok(()), "{}", setting.key);
        assert_eq!(told, defaults, "docs/settings.md tells another default of {}", setting.key);
    }
    for key in known_keys() {
        assert!(PAGE.contains(&format!("`{key}`")), "docs/settings.md does not name {key}");
    }
    for (key, _) in rows {
        assert!(SETTINGS.iter().any(|s| s.key == key), "docs/settings.md has a row for {key}, which is no setting");
    }
}

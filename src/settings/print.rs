//! The effective settings as a TOML file that could be used again, each value that is not the default with
//! its origin; secrets hidden.

use config::{Value, ValueKind};

use super::{Loaded, SECRETS, runs, schema::split};

const HIDDEN: &str = "***";

pub(super) fn effective(loaded: &Loaded) -> String {
    let Loaded { schema, values, .. } = loaded;
    let mut out = String::new();
    let mut current = "";
    for key in &schema.order {
        let (section, name) = split(key);
        if section != current {
            out.push_str(&format!("\n[{section}]\n"));
            current = section;
        }
        let Some(value) = values.get(key) else {
            continue;
        };
        out.push_str(&format!("{name} = {}", literal(&value.kind)));
        if let Some(origin) = value.origin() {
            out.push_str(&format!(" # {}", one_line(origin)));
        }
        out.push('\n');
        if let Some((secret, _)) = SECRETS.iter().find(|(_, file)| file == key)
            && let Some(origin) = values.get(*secret).and_then(Value::origin)
        {
            let (_, name) = split(secret);
            out.push_str(&format!("# {name}: {HIDDEN}, {}\n", one_line(origin)));
        }
    }
    for route in &loaded.routes {
        out.push_str("\n[[routes]]\n");
        let own = schema
            .order
            .iter()
            .filter_map(|key| Some((key.as_str(), route.get(key)?)));
        for (key, value) in std::iter::once(("tables", &route.tables)).chain(own) {
            pair(&mut out, key, value);
        }
    }
    for run in &loaded.runs {
        out.push_str(&format!("\n[[{}]]\n", runs::KEY));
        let own = runs::keys().filter_map(|(key, _)| Some((key, run.get(key)?)));
        for (key, value) in own {
            pair(&mut out, key, value);
        }
    }
    out
}

fn pair(out: &mut String, key: &str, value: &Value) {
    out.push_str(&format!("{key} = {}", literal(&value.kind)));
    if let Some(origin) = value.origin() {
        out.push_str(&format!(" # {}", one_line(origin)));
    }
    out.push('\n');
}

fn literal(kind: &ValueKind) -> String {
    match kind {
        ValueKind::String(text) => toml::Value::String(hide_password(text)).to_string(),
        ValueKind::Array(items) => {
            let items: Vec<String> = items.iter().map(|item| literal(&item.kind)).collect();
            format!("[{}]", items.join(", "))
        }
        other => other.to_string(),
    }
}

fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A URL keeps its user; what stands between the first colon after `//` and the last `@` goes, also
/// when the rest is no URL.
fn hide_password(text: &str) -> String {
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    let Some((user_info, host)) = rest.rsplit_once('@') else {
        return text.to_owned();
    };
    let Some((user, _)) = user_info.split_once(':') else {
        return text.to_owned();
    };
    format!("{scheme}://{user}:{HIDDEN}@{host}")
}

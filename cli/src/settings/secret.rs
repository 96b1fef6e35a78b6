//! What must never be seen: passwords, tokens, keys, and the user information of URLs.

use super::SettingsError;
use super::keys::KEYS;
use super::kind::Kind;
use super::layers::Layers;

/// Whether a property of librdkafka holds a secret.
pub(crate) fn is_secret_property(name: &str) -> bool {
    const PARTS: [&str; 9] = [
        "password",
        "secret",
        "token",
        "credential",
        "ssl.key.pem",
        "jaas",
        "sasl.oauthbearer.config",
        "passphrase",
        "private",
    ];
    let name = name.to_ascii_lowercase();
    PARTS.iter().any(|part| name.contains(part)) && !HARMLESS.contains(&name.as_str())
}

/// A URL without its user information and without the values of its query.
pub(crate) fn hide_in_url(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").unwrap_or(("", url));
    let (rest, query) = rest.split_once('?').map_or((rest, ""), |(rest, _)| (rest, "?***"));
    let authority_end = rest.find('/').unwrap_or(rest.len());
    let (authority, path) = rest.split_at(authority_end);
    let authority = match authority.rsplit_once('@') {
        Some((_, host)) => format!("{HIDDEN}@{host}"),
        None => authority.to_owned(),
    };
    let scheme = if scheme.is_empty() { String::new() } else { format!("{scheme}://") };
    format!("{scheme}{authority}{path}{query}")
}

/// Refuses settings that `wellstream config` printed with their secrets hidden.
pub(crate) fn check_not_hidden(layers: &Layers) -> Result<(), SettingsError> {
    for (name, set) in layers.properties() {
        if is_secret_property(name) && set.value.as_str() == Some(HIDDEN) {
            return Err(SettingsError::Hidden { name: format!("kafka.{name}") });
        }
    }
    for key in KEYS.iter().filter(|key| matches!(key.kind, Kind::Url(_))) {
        let hidden = |url: &str| url.contains(&format!("{HIDDEN}@")) || url.contains("?***");
        if layers.get(key.name).and_then(|set| set.value.as_str()).is_some_and(hidden) {
            return Err(SettingsError::Hidden { name: key.name.to_owned() });
        }
    }
    Ok(())
}

/// What stands in a secret's place.
pub(crate) const HIDDEN: &str = "***";

/// Names that look secret and are not: places and URLs.
const HARMLESS: [&str; 2] = ["sasl.oauthbearer.token.endpoint.url", "ssl.certificate.verify_cb"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_lose_their_user_information() {
        for (url, shown) in [
            ("https://user:pa@ss@host:8081/x", "https://***@host:8081/x"),
            ("http://host:8081", "http://host:8081"),
            ("http://token@host", "http://***@host"),
            ("http://host/a?key=s3cret", "http://host/a?***"),
            ("http://host/a@b", "http://host/a@b"),
        ] {
            assert_eq!(hide_in_url(url), shown);
        }
    }

    #[test]
    fn secret_properties_are_known_by_name() {
        for name in ["sasl.password", "ssl.key.password", "sasl.oauthbearer.client.secret", "ssl.key.pem"] {
            assert!(is_secret_property(name), "{name}");
        }
        for name in ["sasl.username", "ssl.ca.location", "security.protocol"] {
            assert!(!is_secret_property(name), "{name}");
        }
    }
}

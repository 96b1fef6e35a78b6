//! One request, one answer.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};
use ureq::Agent;
use ureq::http::Response;

use crate::limits::{REGISTRY_BODY_BYTES_MAX, REGISTRY_GRACE, REGISTRY_TIMEOUT};

/// Where the registry is. `Debug` shows no password.
#[derive(Clone)]
pub struct RegistrySettings {
    /// Its URL, without credentials.
    url: String,
    /// User and password, for HTTP basic authentication.
    credentials: Option<(String, String)>,
    /// How long "not found" must last until a schema id is given up.
    pub grace: Duration,
    /// One request.
    pub timeout: Duration,
}

impl RegistrySettings {
    /// From a URL, which may hold credentials: `https://USER:PASSWORD@HOST:PORT/PATH`.
    #[must_use]
    pub fn new(url: &str) -> RegistrySettings {
        let (scheme, rest) = url.split_once("://").unwrap_or(("http", url));
        let host_ends = rest.find('/').unwrap_or(rest.len());
        let (authority, path) = rest.split_at(host_ends);
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        let credentials = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            (percent_decoded(name), percent_decoded(password))
        });
        RegistrySettings {
            url: format!("{scheme}://{host}{}", path.trim_end_matches('/')),
            credentials,
            grace: REGISTRY_GRACE,
            timeout: REGISTRY_TIMEOUT,
        }
    }

    /// Sets user and password; they win over those in the URL.
    #[must_use]
    pub fn with_credentials(mut self, user: &str, password: &str) -> RegistrySettings {
        self.credentials = Some((user.to_owned(), password.to_owned()));
        self
    }

    /// The URL without credentials, as messages show it.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

impl fmt::Debug for RegistrySettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RegistrySettings")
            .field("url", &self.url)
            .field("user", &self.credentials.as_ref().map(|(user, _)| user))
            .field("grace", &self.grace)
            .field("timeout", &self.timeout)
            .finish()
    }
}

fn percent_decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, behind)) = rest.split_first() {
        let code = (first == b'%').then(|| behind.get(..2)).flatten();
        let code = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        bytes.push(code.unwrap_or(first));
        rest = if code.is_some() { &behind[2..] } else { behind };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A schema as the registry keeps it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Registered {
    /// The id that frames carry.
    pub id: u32,
    /// Its version under the subject.
    pub version: u32,
    /// Its text.
    pub schema: String,
}

/// Asks a registry. Every call waits for at most the settings' time-out.
pub struct RegistryClient {
    agent: Agent,
    settings: RegistrySettings,
    authorization: Option<String>,
}

impl RegistryClient {
    /// A client; nothing is asked yet.
    #[must_use]
    pub fn new(settings: &RegistrySettings) -> RegistryClient {
        let config = Agent::config_builder()
            .timeout_global(Some(settings.timeout))
            .http_status_as_error(false)
            .user_agent("wellstream")
            .build();
        let authorization = settings.credentials.as_ref().map(|(user, password)| {
            let plain = format!("{user}:{password}");
            format!("Basic {}", base64_simd::STANDARD.encode_to_string(plain))
        });
        RegistryClient { agent: config.into(), settings: settings.clone(), authorization }
    }

    /// The text of a schema by its id; `None` where the registry says that there is none.
    ///
    /// # Errors
    /// It cannot be reached, refuses, or the schema is not Avro.
    pub fn schema(&self, id: u32) -> Result<Option<String>, RegistryError> {
        let Some(answer) = self.get(&format!("/schemas/ids/{id}"))? else { return Ok(None) };
        match answer["schemaType"].as_str() {
            None | Some("AVRO") => {}
            Some(other) => return Err(RegistryError::NotAvro { id, reason: format!("its type is {other}") }),
        }
        if answer["references"].as_array().is_some_and(|references| !references.is_empty()) {
            let reason = "it refers to other schemas, which is not supported".to_owned();
            return Err(RegistryError::NotAvro { id, reason });
        }
        self.text_of(&answer, "schema").map(Some)
    }

    /// The newest schema of a subject, if it has one.
    ///
    /// # Errors
    /// It cannot be reached, or refuses.
    pub fn latest(&self, subject: &str) -> Result<Option<Registered>, RegistryError> {
        let Some(answer) = self.get(&format!("/subjects/{subject}/versions/latest"))? else {
            return Ok(None);
        };
        let (id, version) = (self.number_of(&answer, "id")?, self.number_of(&answer, "version")?);
        Ok(Some(Registered { id, version, schema: self.text_of(&answer, "schema")? }))
    }

    /// Registers a schema and returns its id; one that is there already keeps its own.
    ///
    /// # Errors
    /// It is not compatible with the subject's earlier versions, or the registry cannot be reached, or
    /// refuses.
    pub fn register(&self, subject: &str, schema_json: &str) -> Result<u32, RegistryError> {
        let path = format!("/subjects/{subject}/versions");
        let answer = self.post(&path, schema_json)?;
        let answer = answer.ok_or_else(|| self.unusable(format!("subject {subject} was not found")))?;
        self.number_of(&answer, "id")
    }

    /// Whether a schema could follow the newest one of a subject; the first of a subject always can.
    ///
    /// # Errors
    /// The registry cannot be reached, or refuses.
    pub fn is_compatible(&self, subject: &str, schema_json: &str) -> Result<bool, RegistryError> {
        let path = format!("/compatibility/subjects/{subject}/versions/latest");
        let answer = self.post(&path, schema_json)?;
        Ok(answer.is_none_or(|answer| answer["is_compatible"].as_bool().unwrap_or(false)))
    }

    fn get(&self, path: &str) -> Result<Option<Value>, RegistryError> {
        let mut request = self.agent.get(format!("{}{path}", self.settings.url)).header("Accept", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(request.call())
    }

    fn post(&self, path: &str, schema_json: &str) -> Result<Option<Value>, RegistryError> {
        let mut request = self
            .agent
            .post(format!("{}{path}", self.settings.url))
            .header("Accept", MEDIA_TYPE)
            .header("Content-Type", MEDIA_TYPE);
        if let Some(authorization) = &self.authorization {
            request = request.header("Authorization", authorization);
        }
        self.answer(request.send(json!({ "schema": schema_json }).to_string()))
    }

    fn answer(
        &self,
        response: Result<Response<ureq::Body>, ureq::Error>,
    ) -> Result<Option<Value>, RegistryError> {
        let url = || self.settings.url.clone();
        let away = |reason: String| RegistryError::Away { url: url(), reason };
        let mut response = response.map_err(|error| away(error.to_string()))?;
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(REGISTRY_BODY_BYTES_MAX).read_to_string();
        let body = body.map_err(|error| away(error.to_string()))?;
        let message = || {
            let said: Option<Value> = serde_json::from_str(&body).ok();
            let said = said.and_then(|said| said["message"].as_str().map(str::to_owned));
            said.unwrap_or_else(|| body.chars().take(200).collect())
        };
        match status {
            200..=299 => serde_json::from_str(&body)
                .map(Some)
                .map_err(|error| self.unusable(format!("its answer is not JSON ({error})"))),
            404 => self.not_found(&body),
            401 | 403 => Err(RegistryError::Refused { url: url(), status }),
            409 => Err(RegistryError::Incompatible { message: message() }),
            408 | 429 | 500..=599 => Err(away(format!("status {status}: {}", message()))),
            _ => Err(self.unusable(format!("status {status}: {}", message()))),
        }
    }

    /// Only the registry's own "not found" counts; that of a proxy or a wrong path says nothing about a
    /// schema.
    fn not_found(&self, body: &str) -> Result<Option<Value>, RegistryError> {
        let said: Option<Value> = serde_json::from_str(body).ok();
        let code = said.as_ref().and_then(|said| said["error_code"].as_u64());
        match code {
            Some(404 | 40_401 | 40_402 | 40_403 | 40_404 | 40_408) => Ok(None),
            _ => {
                Err(self
                    .unusable("status 404 without a registry's error code: is the path right?".to_owned()))
            }
        }
    }

    fn text_of(&self, answer: &Value, field: &str) -> Result<String, RegistryError> {
        let text = answer[field].as_str().map(str::to_owned);
        text.ok_or_else(|| self.unusable(format!("its answer has no {field}")))
    }

    fn number_of(&self, answer: &Value, field: &str) -> Result<u32, RegistryError> {
        let number = answer[field].as_u64().and_then(|number| u32::try_from(number).ok());
        number.ok_or_else(|| self.unusable(format!("its answer has no {field}")))
    }

    fn unusable(&self, reason: String) -> RegistryError {
        RegistryError::Unusable { url: self.settings.url.clone(), reason }
    }
}

/// Why a registry did not do as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RegistryError {
    /// No answer, or one that says "later".
    #[error(
        "the schema registry at {url} does not answer ({reason}). Check --schema-registry and that it runs"
    )]
    Away {
        /// Where.
        url: String,
        /// What happened.
        reason: String,
    },
    /// Credentials are missing or wrong.
    #[error(
        "the schema registry at {url} refused the credentials (status {status}). Check the user and \
         password of --schema-registry"
    )]
    Refused {
        /// Where.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// A schema that would break the readers of earlier ones.
    #[error("the schema registry refuses the schema as incompatible with an earlier version: {message}")]
    Incompatible {
        /// What it said.
        message: String,
    },
    /// A schema that exists and is no Avro schema of its own.
    #[error("schema {id} cannot be used: {reason}")]
    NotAvro {
        /// Its id.
        id: u32,
        /// Why.
        reason: String,
    },
    /// An answer that is of no use.
    #[error("the schema registry at {url}: {reason}")]
    Unusable {
        /// Where.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

impl RegistryError {
    /// Whether asking again can help without anybody changing anything.
    #[must_use]
    pub fn retry_helps(&self) -> bool {
        matches!(self, RegistryError::Away { .. })
    }
}

const MEDIA_TYPE: &str = "application/vnd.schemaregistry.v1+json";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_leave_the_url_and_are_never_shown() {
        let settings = RegistrySettings::new("https://ann:p%40ss:w@host:81/api/");
        assert_eq!(settings.url(), "https://host:81/api");
        assert_eq!(settings.credentials, Some(("ann".to_owned(), "p@ss:w".to_owned())));
        assert!(!format!("{settings:?}").contains("p@ss"), "{settings:?}");
        assert_eq!(RegistrySettings::new("http://host").credentials, None);
        let given = settings.with_credentials("bob", "secret");
        assert_eq!(RegistryClient::new(&given).authorization.as_deref(), Some("Basic Ym9iOnNlY3JldA=="));
    }

    #[test]
    fn only_the_registrys_own_not_found_counts() {
        let client = RegistryClient::new(&RegistrySettings::new("http://host"));
        assert_eq!(client.not_found(r#"{"error_code": 40403, "message": "Schema not found"}"#), Ok(None));
        assert!(client.not_found("<html>nginx</html>").is_err());
    }
}

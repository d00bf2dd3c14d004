//! What we show a workspace, by the names that Databricks' own tools use.

use std::fmt;
use std::sync::Arc;

use super::address::{WorkspaceUrl, WorkspaceUrlError};

/// A text that no log, no answer and no `Debug` ever has.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Arc<str>);

/// The text cannot be a secret that is sent in a field: it is empty, too long or has other characters
/// than visible ASCII.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SecretError;

/// More than any token has.
const MAX_BYTES: usize = 16 * 1024;

impl Secret {
    /// Checks a secret; white space around it, as the last line of a file has it, is not part of it.
    ///
    /// # Errors
    /// [`SecretError`] when it cannot be sent.
    pub fn parse(text: &str) -> Result<Self, SecretError> {
        let text = text.trim();
        let is_sendable = text.bytes().all(|byte| byte.is_ascii_graphic());
        if is_sendable && (1..=MAX_BYTES).contains(&text.len()) {
            Ok(Self(text.into()))
        } else {
            Err(SecretError)
        }
    }

    /// The text, to be sent and nothing else.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// What we show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Credentials {
    /// `DATABRICKS_TOKEN`: a personal access token, or any other that is renewed elsewhere.
    Token(Secret),
    /// A service principal: OAuth client credentials, of which tokens are made.
    Client {
        /// `DATABRICKS_CLIENT_ID`.
        id: Secret,
        /// `DATABRICKS_CLIENT_SECRET`.
        secret: Secret,
    },
}

/// A variable that is wrong or missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialsError {
    /// `DATABRICKS_HOST` is not set.
    NoHost,
    /// `DATABRICKS_HOST` is no address of a workspace.
    Host(WorkspaceUrlError),
    /// This variable has a value that cannot be sent. The value is never told.
    NotSendable(&'static str),
    /// Neither a token nor a service principal.
    None,
    /// Both; which is meant cannot be known.
    Both,
    /// An id or a secret without the other.
    Half,
}

impl fmt::Display for CredentialsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoHost => f.write_str(
                "DATABRICKS_HOST is not set: it is the workspace's address, such as https://my-workspace.cloud.databricks.com",
            ),
            Self::Host(error) => write!(f, "DATABRICKS_HOST is wrong: {error}"),
            Self::NotSendable(name) => write!(f, "{name} is empty, too long or has other characters than visible ASCII"),
            Self::None => f.write_str(
                "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET are not set, nor is DATABRICKS_TOKEN",
            ),
            Self::Both => f.write_str(
                "DATABRICKS_TOKEN is set as well as DATABRICKS_CLIENT_ID or DATABRICKS_CLIENT_SECRET: unset one of the two ways",
            ),
            Self::Half => f.write_str(
                "DATABRICKS_CLIENT_ID and DATABRICKS_CLIENT_SECRET are needed together",
            ),
        }
    }
}

impl std::error::Error for CredentialsError {}

/// Reads `DATABRICKS_HOST` and either `DATABRICKS_TOKEN` or `DATABRICKS_CLIENT_ID` with
/// `DATABRICKS_CLIENT_SECRET` from wherever `variable` looks. A variable with nothing in it is not set.
///
/// # Errors
/// All that is wrong.
pub fn from_variables(
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(WorkspaceUrl, Credentials), Vec<CredentialsError>> {
    let read = |name| variable(name).filter(|value| !value.trim().is_empty());
    let mut faults = Vec::new();
    let host = match read("DATABRICKS_HOST") {
        None => Err(CredentialsError::NoHost),
        Some(host) => WorkspaceUrl::parse(&host).map_err(CredentialsError::Host),
    };
    let host = host.map_err(|fault| faults.push(fault)).ok();
    let mut secret = |name: &'static str| {
        let parsed = read(name).map(|value| Secret::parse(&value))?;
        let fault = CredentialsError::NotSendable(name);
        Some(parsed.map_err(|SecretError| faults.push(fault)).ok())
    };
    let token = secret("DATABRICKS_TOKEN");
    let id = secret("DATABRICKS_CLIENT_ID");
    let client_secret = secret("DATABRICKS_CLIENT_SECRET");
    let credentials = match (token, id, client_secret) {
        (Some(token), None, None) => token.map(Credentials::Token),
        (None, Some(id), Some(secret)) => id
            .zip(secret)
            .map(|(id, secret)| Credentials::Client { id, secret }),
        (None, None, None) => {
            faults.push(CredentialsError::None);
            None
        }
        (Some(_), _, _) => {
            faults.push(CredentialsError::Both);
            None
        }
        (None, _, _) => {
            faults.push(CredentialsError::Half);
            None
        }
    };
    host.zip(credentials).ok_or(faults)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: (&str, &str) = ("DATABRICKS_HOST", "https://a.cloud.databricks.com");

    fn read(set: &[(&str, &str)]) -> Result<(WorkspaceUrl, Credentials), Vec<CredentialsError>> {
        from_variables(|name| {
            let found = set.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn a_token_or_a_service_principal_and_never_both() {
        let token = ("DATABRICKS_TOKEN", "dapi0\n");
        let id = ("DATABRICKS_CLIENT_ID", "an-id");
        let secret = ("DATABRICKS_CLIENT_SECRET", "dose0");
        let parsed = |text| Secret::parse(text).unwrap();
        let (_, credentials) = read(&[HOST, token]).unwrap();
        assert_eq!(credentials, Credentials::Token(parsed("dapi0")));
        let (_, credentials) = read(&[HOST, id, secret, ("DATABRICKS_TOKEN", "")]).unwrap();
        let (id_parsed, secret_parsed) = (parsed("an-id"), parsed("dose0"));
        assert_eq!(
            credentials,
            Credentials::Client {
                id: id_parsed,
                secret: secret_parsed
            }
        );
        for (set, faults) in [
            (vec![HOST], vec![CredentialsError::None]),
            (vec![HOST, id], vec![CredentialsError::Half]),
            (vec![HOST, token, id], vec![CredentialsError::Both]),
            (
                vec![],
                vec![CredentialsError::NoHost, CredentialsError::None],
            ),
            (
                vec![("DATABRICKS_HOST", "http://a"), ("DATABRICKS_TOKEN", "a b")],
                vec![
                    CredentialsError::Host(WorkspaceUrlError::NotEncrypted),
                    CredentialsError::NotSendable("DATABRICKS_TOKEN"),
                ],
            ),
        ] {
            assert_eq!(read(&set).unwrap_err(), faults, "{set:?}");
        }
    }

    #[test]
    fn no_secret_is_ever_written() {
        let (_, credentials) = read(&[HOST, ("DATABRICKS_TOKEN", "dapi-hidden")]).unwrap();
        assert!(!format!("{credentials:?}").contains("hidden"));
        let faults = read(&[HOST, ("DATABRICKS_TOKEN", "hid den")]).unwrap_err();
        for fault in faults {
            assert!(!fault.to_string().contains("hid den"));
        }
    }
}

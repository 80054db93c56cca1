//! Who siphon is to a server: user and password, token, NKey, or a file with credentials.

use std::path::{Path, PathBuf};

use async_nats::ConnectOptions;
use schemars::JsonSchema;
use serde::Deserialize;
use siphon_sdk::{Error, Finding};

use crate::config::Config;

/// A text that is shown as `***`.
#[derive(Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("***")
    }
}

/// The one way to log in.
#[derive(Debug, Clone, PartialEq)]
pub enum Login {
    Nobody,
    Password { user: String, password: Secret },
    Token(Secret),
    Nkey(Secret),
    Credentials(PathBuf),
}

/// What cannot work: where, and why.
type Wrong = (String, String);

impl Login {
    /// # Errors
    ///
    /// Several ways at once, or half of one.
    pub fn of(config: &Config) -> Result<Self, Wrong> {
        let mut ways = Self::in_servers(config)?;
        match (&config.username, &config.password) {
            (Some(user), Some(password)) => {
                ways.push(("username".into(), Self::Password { user: user.clone(), password: password.clone() }));
            }
            (None, None) => {}
            (Some(_), None) => return Err(("username".into(), "needs a password beside it".into())),
            (None, Some(_)) => return Err(("password".into(), "needs a username beside it".into())),
        }
        let key = |key: &str, login| (key.to_owned(), login);
        ways.extend(config.token.clone().map(|token| key("token", Self::Token(token))));
        ways.extend(config.nkey_seed.clone().map(|seed| key("nkey_seed", Self::Nkey(seed))));
        ways.extend(config.credentials_file.clone().map(|file| key("credentials_file", Self::Credentials(file))));
        match ways.as_slice() {
            [] => Ok(Self::Nobody),
            [(_, only)] => Ok(only.clone()),
            [(one, _), (other, _), ..] => {
                Err((other.clone(), format!("says who siphon is, and so does {one}: keep one")))
            }
        }
    }

    /// The login of the addresses; it must be the same in all that have one.
    fn in_servers(config: &Config) -> Result<Vec<(String, Self)>, Wrong> {
        let mut found: Vec<(String, Self)> = Vec::new();
        for (path, server) in config.servers.with_paths() {
            let Some(Ok(address)) = Some(crate::address::Address::parse(server)) else { continue };
            let login = match address.login {
                Some((Secret(user), Some(password))) => Self::Password { user, password },
                Some((token, None)) => Self::Token(token),
                None => continue,
            };
            match found.first() {
                Some((_, first)) if *first != login => {
                    return Err((path, "has another login than the server before: one client has one".into()));
                }
                Some(_) => {}
                None => found.push((path, login)),
            }
        }
        Ok(found)
    }

    /// The client's options with this login.
    ///
    /// # Errors
    ///
    /// A seed or a file that cannot be used, with its path.
    pub fn options(&self) -> Result<ConnectOptions, Wrong> {
        let options = ConnectOptions::new();
        Ok(match self {
            Self::Nobody => options,
            Self::Password { user, password } => options.user_and_password(user.clone(), password.0.clone()),
            Self::Token(token) => options.token(token.0.clone()),
            Self::Nkey(seed) => {
                let seed = seed.0.trim();
                nkeys::KeyPair::from_seed(seed).map_err(|_| wrong_seed())?;
                options.nkey(seed.to_owned())
            }
            Self::Credentials(file) => with_file(options, file)?,
        })
    }

    /// Whom the server may refuse.
    pub fn name(&self) -> String {
        match self {
            Self::Nobody => "a client without a login".into(),
            Self::Password { user, .. } => format!("user {user:?}"),
            Self::Token(_) => "the token".into(),
            Self::Nkey(seed) => {
                let key = nkeys::KeyPair::from_seed(seed.0.trim()).map(|pair| pair.public_key());
                format!("NKey {}", key.unwrap_or_default())
            }
            Self::Credentials(file) => format!("the credentials of {}", file.display()),
        }
    }
}

fn wrong_seed() -> Wrong {
    ("nkey_seed".into(), "is no seed: that of a user begins with SU; `nk -gen user` makes one".into())
}

fn with_file(options: ConnectOptions, file: &Path) -> Result<ConnectOptions, Wrong> {
    let wrong = |why: String| ("credentials_file".to_owned(), why);
    let text =
        std::fs::read_to_string(file).map_err(|error| wrong(format!("cannot read {}: {error}", file.display())))?;
    // The client's own words may quote the file.
    let unusable = || format!("{} holds no JWT with its seed: `nsc generate creds` writes such a file", file.display());
    options.credentials(&text).map_err(|_| wrong(unusable()))
}

/// What is wrong with the login; files are read.
pub fn findings(config: &Config) -> Vec<Finding> {
    let refused = Login::of(config).and_then(|login| login.options().map(drop)).err();
    refused.map(|(path, message)| Finding::error(path, message)).into_iter().collect()
}

/// The same as an error of the connection, for files that changed since they were checked.
pub fn changed((path, message): Wrong) -> Error {
    Error::config(path, message)
}

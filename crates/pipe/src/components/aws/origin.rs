//! Where this process has its AWS credentials from. The first of these that is there:
//!
//! 1. `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`
//! 2. a web identity: `AWS_WEB_IDENTITY_TOKEN_FILE`, `AWS_ROLE_ARN` (pods of EKS)
//! 3. the shared file: `AWS_SHARED_CREDENTIALS_FILE` or `~/.aws/credentials`, profile `AWS_PROFILE` or `default`
//! 4. the container's: `AWS_CONTAINER_CREDENTIALS_FULL_URI` or `AWS_CONTAINER_CREDENTIALS_RELATIVE_URI` (ECS, EKS)
//! 5. the instance's metadata service (EC2), unless `AWS_EC2_METADATA_DISABLED` is `true`
//!
//! Source: AWS SDKs and Tools Reference Guide, "Standardized credential providers".

use std::path::PathBuf;

use ::http::Uri;

use super::credentials::Credentials;
use super::sts::Role;
use super::{endpoint, usual_endpoint};

/// The value of a variable; empty counts as not set.
pub(in super::super) type Environment<'e> = &'e dyn Fn(&str) -> Option<String>;

pub(in super::super) enum Origin {
    Fixed(Credentials),
    WebIdentity { role: Role, token_file: String },
    Container { url: Uri, token: Option<ContainerToken> },
    Instance { endpoint: Uri },
}

impl Origin {
    /// Whether asking for keys needs TLS.
    pub fn has_tls(&self) -> bool {
        let url = match self {
            Self::Fixed(_) => return false,
            Self::WebIdentity { role, .. } => &role.endpoint,
            Self::Container { url, .. } | Self::Instance { endpoint: url } => url,
        };
        url.scheme_str() == Some("https")
    }
}

pub(in super::super) enum ContainerToken {
    Text(String),
    File(String),
}

/// The environment of this process.
pub(in super::super) fn of_process(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The region to use: that of the configuration, else that of the environment.
///
/// # Errors
///
/// A sentence when there is none.
pub(in super::super) fn region(given: &str, environment: Environment<'_>) -> Result<String, String> {
    let given = Some(given.to_owned()).filter(|region| !region.is_empty());
    let usual = || environment("AWS_REGION").or_else(|| environment("AWS_DEFAULT_REGION"));
    let missing = "MissingRegion: could not find region configuration; set region here or AWS_REGION";
    let region = given.or_else(usual).ok_or(missing)?;
    super::region(&region).map(str::to_owned)
}

/// # Errors
///
/// A sentence when something is there that cannot be used.
pub(in super::super) fn locate(region: &str, environment: Environment<'_>) -> Result<Origin, String> {
    if let Some(access_key) = environment("AWS_ACCESS_KEY_ID") {
        let secret_key = environment("AWS_SECRET_ACCESS_KEY")
            .ok_or("AWS_ACCESS_KEY_ID is set and AWS_SECRET_ACCESS_KEY is not; set both or none")?;
        let session_token = environment("AWS_SESSION_TOKEN");
        return Ok(Origin::Fixed(Credentials { access_key, secret_key, session_token }));
    }
    if let Some((token_file, arn)) = environment("AWS_WEB_IDENTITY_TOKEN_FILE").zip(environment("AWS_ROLE_ARN")) {
        let session = environment("AWS_ROLE_SESSION_NAME");
        let role = Role { session, ..Role::new(arn, region.to_owned(), sts_endpoint(region, environment)?) };
        return Ok(Origin::WebIdentity { role, token_file });
    }
    if let Some(credentials) = of_file(environment)? {
        return Ok(Origin::Fixed(credentials));
    }
    container(environment).or_else(|| instance(environment)).unwrap_or_else(|| {
        Err("there are no AWS credentials; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY".to_owned())
    })
}

/// Where roles are taken on.
pub(in super::super) fn sts_endpoint(region: &str, environment: Environment<'_>) -> Result<Uri, String> {
    let usual = || usual_endpoint("sts", region);
    endpoint(&environment("AWS_ENDPOINT_URL_STS").unwrap_or_else(usual))
}

fn container(environment: Environment<'_>) -> Option<Result<Origin, String>> {
    let relative =
        || environment("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("http://169.254.170.2{path}"));
    let url = environment("AWS_CONTAINER_CREDENTIALS_FULL_URI").or_else(relative)?;
    let file = environment("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE").map(ContainerToken::File);
    let token = file.or_else(|| environment("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(ContainerToken::Text));
    let wrong = |_| "the URL of the container's credentials is none".to_owned();
    Some(url.parse().map_err(wrong).map(|url| Origin::Container { url, token }))
}

fn instance(environment: Environment<'_>) -> Option<Result<Origin, String>> {
    if environment("AWS_EC2_METADATA_DISABLED").is_some_and(|text| text.eq_ignore_ascii_case("true")) {
        return None;
    }
    let usual = || "http://169.254.169.254".to_owned();
    let given = environment("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or_else(usual);
    Some(endpoint(&given).map(|endpoint| Origin::Instance { endpoint }))
}

/// The keys of a profile. No file at all is no error, unless somebody named it or a profile.
fn of_file(environment: Environment<'_>) -> Result<Option<Credentials>, String> {
    let named = environment("AWS_SHARED_CREDENTIALS_FILE").map(PathBuf::from);
    let usual = || environment("HOME").map(|home| PathBuf::from(home).join(".aws/credentials"));
    let is_wanted = named.is_some() || environment("AWS_PROFILE").is_some();
    let Some(file) = named.or_else(usual) else { return Ok(None) };
    let text = match std::fs::read_to_string(&file) {
        Ok(text) => text,
        Err(_) if !is_wanted => return Ok(None),
        Err(error) => return Err(format!("{} cannot be read: {error}", file.display())),
    };
    let profile = environment("AWS_PROFILE").unwrap_or_else(|| "default".to_owned());
    match keys_of(&text, &profile) {
        None if is_wanted => Err(format!("{} has no keys for profile {profile}", file.display())),
        found => Ok(found),
    }
}

fn keys_of(text: &str, profile: &str) -> Option<Credentials> {
    let heading = |line: &&str| line.trim().strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).is_some();
    let is_ours = |line: &&str| line.trim().trim_start_matches('[').trim_end_matches(']').trim() == profile;
    let start = text.lines().position(|line| heading(&line) && is_ours(&line))?;
    let lines: Vec<_> = text.lines().skip(start + 1).take_while(|line| !heading(line)).collect();
    let value = |name: &str| {
        let pairs = lines.iter().filter_map(|line| line.split_once('='));
        pairs.map(|(key, value)| (key.trim(), value.trim())).find(|(key, _)| *key == name).map(|(_, v)| v.to_owned())
    };
    Some(Credentials {
        access_key: value("aws_access_key_id")?,
        secret_key: value("aws_secret_access_key")?,
        session_token: value("aws_session_token"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is found where only these variables are set.
    fn found(variables: &[(&str, &str)]) -> Result<String, String> {
        let environment =
            |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
        locate("eu-west-1", &environment).map(|origin| match origin {
            Origin::Fixed(Credentials { access_key, secret_key, session_token }) => {
                format!("{access_key} {secret_key} {}", session_token.unwrap_or_default())
            }
            Origin::WebIdentity { role, token_file } => format!("{} {token_file} {}", role.arn, role.endpoint),
            Origin::Container { url, token: None } => format!("{url}"),
            Origin::Container { url, token: Some(ContainerToken::Text(text) | ContainerToken::File(text)) } => {
                format!("{url} {text}")
            }
            Origin::Instance { endpoint } => format!("{endpoint}"),
        })
    }

    #[test]
    fn the_first_that_is_there_counts() {
        let keys = [("AWS_ACCESS_KEY_ID", "A"), ("AWS_SECRET_ACCESS_KEY", "S"), ("AWS_SESSION_TOKEN", "T")];
        let web = [("AWS_WEB_IDENTITY_TOKEN_FILE", "/token"), ("AWS_ROLE_ARN", "arn:aws:iam::1:role/r")];
        let relative = ("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "/v2/x");
        let cases: [(Vec<(&str, &str)>, &str); 6] = [
            ([&keys[..], &web[..]].concat(), "A S T"),
            (keys[..2].to_vec(), "A S "),
            ([&web[..], &[relative]].concat(), "arn:aws:iam::1:role/r /token https://sts.eu-west-1.amazonaws.com/"),
            (vec![relative], "http://169.254.170.2/v2/x"),
            (
                vec![("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h/c"), ("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Z")],
                "http://h/c Z",
            ),
            (vec![], "http://169.254.169.254/"),
        ];
        for (variables, expected) in cases {
            assert_eq!(found(&variables).as_deref(), Ok(expected), "{variables:?}");
        }
    }

    #[test]
    fn the_shared_file_has_profiles() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("credentials");
        let text = "# mine\n[default]\naws_access_key_id = D\naws_secret_access_key=DS\n\n[ other ]\naws_access_key_id = O\n\
                    aws_secret_access_key = O=S\naws_session_token = OT\n[empty]\nregion = x\n";
        std::fs::write(&file, text).expect("written");
        let path = file.to_str().expect("text");
        let of = |profile: &str| found(&[("AWS_SHARED_CREDENTIALS_FILE", path), ("AWS_PROFILE", profile)]);
        assert_eq!(found(&[("AWS_SHARED_CREDENTIALS_FILE", path)]).as_deref(), Ok("D DS "));
        assert_eq!(of("other").as_deref(), Ok("O O=S OT"));
        for profile in ["empty", "missing"] {
            assert!(of(profile).is_err_and(|error| error.ends_with(&format!("has no keys for profile {profile}"))));
        }
    }

    #[test]
    fn what_is_there_by_half_is_refused() {
        let cases: [(&[(&str, &str)], &str); 4] = [
            (&[("AWS_ACCESS_KEY_ID", "A")], "AWS_SECRET_ACCESS_KEY is not"),
            (&[("AWS_SHARED_CREDENTIALS_FILE", "/not/there")], "/not/there cannot be read"),
            (&[("AWS_EC2_METADATA_DISABLED", "true")], "there are no AWS credentials"),
            (&[("AWS_CONTAINER_CREDENTIALS_FULL_URI", "http://h h/")], "the URL of the container's credentials"),
        ];
        for (variables, message) in cases {
            let error = found(variables).expect_err(message);
            assert!(error.contains(message), "{error}");
        }
    }

    #[test]
    fn the_region_is_that_of_the_configuration_or_of_the_environment() {
        let set = |name: &str| (name == "AWS_DEFAULT_REGION").then(|| "eu-west-3".to_owned());
        let unset = |_: &str| None;
        assert_eq!(region("us-east-1", &set).as_deref(), Ok("us-east-1"));
        assert_eq!(region("", &set).as_deref(), Ok("eu-west-3"));
        assert!(region("", &unset).is_err_and(|error| error.starts_with("MissingRegion")));
        assert!(region("us-east-1.evil.example/", &set).is_err_and(|error| error.contains("no region of AWS")));
    }
}

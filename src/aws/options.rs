//! How AWS is reached: the keys that every section has whose component calls it.

use serde::Deserialize;

use crate::options::{Error, optional};

#[derive(Debug, Clone, Deserialize)]
pub struct AwsOptions {
    region: String,
    endpoint_url: String,
    role_arn: String,
}

/// Empty fields: the SDK's default chain decides.
#[derive(Debug, Clone, Default)]
pub struct AwsPlan {
    pub region: Option<String>,
    pub endpoint_url: Option<String>,
    pub role_arn: Option<String>,
}

impl AwsOptions {
    pub fn plan(&self) -> Result<AwsPlan, Error> {
        let (url, role) = (&self.endpoint_url, &self.role_arn);
        let is_url = ["http://", "https://"].iter().any(|scheme| {
            url.strip_prefix(scheme)
                .is_some_and(|rest| !rest.is_empty())
        });
        if !url.is_empty() && !is_url {
            return Err(Error::new(
                "endpoint_url",
                "does not begin with http:// or https://",
                "write the whole URL, or \"\" for AWS's own",
            ));
        }
        if !role.is_empty() && !role.starts_with("arn:") {
            return Err(Error::new(
                "role_arn",
                format!("\"{role}\" is no ARN"),
                "write arn:aws:iam::ACCOUNT:role/NAME, or \"\" for the credentials as they are",
            ));
        }
        Ok(AwsPlan {
            region: optional(&self.region).map(str::to_owned),
            endpoint_url: optional(url).map(str::to_owned),
            role_arn: optional(role).map(str::to_owned),
        })
    }
}

//! Reads what AWS keeps: one call, bounded in time and bytes, each failure with the right that is missing.
//!
//! Secrets Manager's GetSecretValue, the parameter store's GetParameter (decrypted), S3's GetObject. What was
//! answered reaches no log and no error. Not here: how a place is written ([`super::kept`]); repeating.

use std::time::Duration;

use headwater_actors::failure::{Class, Code, Failure};
use serde_json::{Value, json};

use super::{
    Action, AwsPlan,
    json::{JsonClient, JsonService},
    kept::{KeptAt, SecretAt, Unusable},
    s3,
};

/// Of one call.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
const SECRETS_MANAGER: JsonService = JsonService {
    name: "secretsmanager",
    target: "secretsmanager",
    content_type: CONTENT_TYPE,
    id: "Secrets Manager",
};
const SSM: JsonService = JsonService {
    name: "ssm",
    target: "AmazonSSM",
    content_type: CONTENT_TYPE,
    id: "SSM",
};

/// The text that is kept there.
pub async fn read(at: &KeptAt, plan: &AwsPlan) -> Result<String, Failure> {
    let name = at.name();
    let action = Action {
        iam: match at {
            KeptAt::Secret(_) => "secretsmanager:GetSecretValue",
            KeptAt::Parameter { .. } => "ssm:GetParameter",
            KeptAt::Object { .. } => "s3:GetObject",
        },
        kind: at.kind(),
        name: &name,
    };
    let plan = AwsPlan {
        region: at.region().map(str::to_owned).or(plan.region.clone()),
        ..plan.clone()
    };
    let text = match at {
        KeptAt::Secret(secret) => {
            value(
                &plan,
                SECRETS_MANAGER,
                action,
                &wanted(secret),
                "/SecretString",
            )
            .await
        }
        KeptAt::Parameter { name, .. } => {
            let input = json!({"Name": name, "WithDecryption": true});
            value(&plan, SSM, action, &input, "/Parameter/Value").await
        }
        KeptAt::Object { bucket, key } => {
            let bytes = s3::get_object(&plan, action, bucket, key, CALL_TIMEOUT).await;
            bytes.and_then(|bytes| {
                String::from_utf8(bytes.into()).map_err(|_| {
                    Failure::definite(format!("{at} is not UTF-8")).with_hint("write it as UTF-8")
                })
            })
        }
    };
    text.map_err(|failure| explained(failure, action))
}

fn wanted(secret: &SecretAt) -> Value {
    let mut input = json!({"SecretId": secret.id});
    for (name, value) in [
        ("VersionStage", &secret.stage),
        ("VersionId", &secret.version),
    ] {
        if let Some(value) = value {
            input[name] = json!(value);
        }
    }
    input
}

async fn value(
    plan: &AwsPlan,
    service: JsonService,
    action: Action<'_>,
    input: &Value,
    pointer: &str,
) -> Result<String, Failure> {
    let client = JsonClient::connect(plan, service).await?;
    let answer = client.call(action, input, CALL_TIMEOUT).await?;
    match answer.pointer(pointer).and_then(Value::as_str) {
        Some(text) => Ok(text.to_owned()),
        None => Err(Failure::definite(format!(
            "{} \"{}\" cannot be used",
            action.kind, action.name
        ))
        .because(Unusable::Binary)
        .with_hint(Unusable::Binary.hint())),
    }
}

/// With what these services say besides others.
pub(super) fn explained(failure: Failure, action: Action<'_>) -> Failure {
    let Some(Code::Aws(code)) = &failure.code else {
        return failure;
    };
    let Action { iam, kind, name } = action;
    let hint = match code.as_str() {
        "AccessDenied" | "AccessDeniedException" => {
            let missing = match kind {
                "object" => {
                    "; without s3:ListBucket on the bucket S3 says the same of an object that is missing"
                }
                _ => "",
            };
            let key = match kind {
                "bucket" => "",
                _ => ", and kms:Decrypt on its KMS key if it has one of your own",
            };
            format!(
                "allow the action {iam} on the {kind} \"{name}\" in the IAM policy{key}{missing}"
            )
        }
        "ResourceNotFoundException"
        | "ParameterNotFound"
        | "ParameterVersionNotFound"
        | "NoSuchKey"
        | "NoSuchBucket" => {
            format!(
                "create the {kind} \"{name}\", or correct its name, its account and its region (AWS_REGION, or `region` in the settings)"
            )
        }
        "PermanentRedirect" | "AuthorizationHeaderMalformed" => {
            "set AWS_REGION to the region of the bucket".to_owned()
        }
        "InvalidObjectState" => {
            format!("restore the {kind} \"{name}\": it is in an archive (S3 Glacier)")
        }
        "DecryptionFailure" | "InvalidKeyId" => kms(kind, name),
        "KMSThrottlingException" => return failure,
        code if code.starts_with("KMS") => kms(kind, name),
        "InvalidRequestException" | "InvalidParameterException" => format!(
            "see in the console whether the {kind} \"{name}\" is being deleted, and has the version that is asked for"
        ),
        _ => return failure,
    };
    failure.with_class(Class::Definite).with_hint(hint)
}

fn kms(kind: &str, name: &str) -> String {
    format!(
        "let the role use the KMS key of the {kind} \"{name}\" (kms:Decrypt), and enable the key"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_asked_for_only_where_it_is_named() {
        let at = |text: &str| match KeptAt::of_password(text) {
            Ok(KeptAt::Secret(secret)) => wanted(&secret),
            other => panic!("{other:?}"),
        };
        assert_eq!(at("db:pw::"), json!({"SecretId": "db"}));
        assert_eq!(
            at("db::AWSPREVIOUS:"),
            json!({"SecretId": "db", "VersionStage": "AWSPREVIOUS"})
        );
    }

    #[test]
    fn each_refusal_is_definite_and_says_what_to_allow_or_correct() {
        let action = Action {
            iam: "secretsmanager:GetSecretValue",
            kind: "secret",
            name: "db",
        };
        let said = |code: &str| {
            let failure = Failure::transient("failed").with_code(Code::Aws(code.to_owned()));
            explained(failure, action)
        };
        for (code, word) in [
            (
                "AccessDeniedException",
                "secretsmanager:GetSecretValue on the secret \"db\"",
            ),
            ("ResourceNotFoundException", "create the secret"),
            ("DecryptionFailure", "kms:Decrypt"),
            ("KMSDisabledException", "enable the key"),
            ("InvalidRequestException", "being deleted"),
            ("PermanentRedirect", "AWS_REGION"),
            ("InvalidObjectState", "restore"),
        ] {
            let failure = said(code);
            assert!(failure.is_definite(), "{code}");
            assert!(
                failure.hint.is_some_and(|hint| hint.contains(word)),
                "{code}"
            );
        }
        assert!(!said("KMSThrottlingException").is_definite());
        assert!(!said("InternalServiceError").is_definite());
    }
}

//! Checkpoints in a DynamoDB table: one item per pipeline, written only on condition, read consistently.
//!
//! Three calls are all that is needed, so they are spoken without the SDK of DynamoDB ([`crate::aws::json`]). An
//! item takes 400 KB. Throttling is transient, as any trouble but a missing table or right.

use std::time::Duration;

use headwater_actors::{failure::Failure, ports::BoxFuture};
use serde_json::{Value, json};

use super::{
    DynamoDbStorePlan,
    remote::{Row, Table},
};
use crate::{
    aws::{
        Action,
        json::{JsonClient, JsonService},
    },
    lease::Claim,
};

const SERVICE: JsonService = JsonService {
    name: "dynamodb",
    target: "DynamoDB_20120810",
    content_type: "application/x-amz-json-1.0",
    id: "DynamoDB",
};
/// Of an item's 400 KB, names and other values included.
/// <https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Constraints.html>
const BODY_BYTES_MAX: usize = 390_000;
/// Of one call; callers that are in a hurry bound it further.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);
const CREATE_TIMEOUT: Duration = Duration::from_secs(120);
const CREATE_LOOK_EVERY: Duration = Duration::from_millis(500);
const CONDITION_FAILED: &str = "ConditionalCheckFailedException";

/// One pipeline's item of the table.
pub struct DynamoDbTable {
    client: JsonClient,
    table: String,
    name: String,
    place: String,
}

impl DynamoDbTable {
    pub async fn connect(plan: &DynamoDbStorePlan, name: &str) -> Result<Self, Failure> {
        Ok(Self {
            client: JsonClient::connect(&plan.aws, SERVICE).await?,
            table: plan.table.clone(),
            name: name.to_owned(),
            place: format!("DynamoDB table \"{}\"", plan.table),
        })
    }

    async fn call(&self, iam: &str, input: &Value) -> Result<Value, Failure> {
        let action = Action {
            iam,
            kind: "DynamoDB table",
            name: &self.table,
        };
        let answer = self.client.call(action, input, CALL_TIMEOUT).await;
        answer.map_err(|failure| match failure.is_aws("ResourceNotFoundException") {
            true => failure.with_hint(
                "create it: `headwater check --create`, or the CloudFormation in docs/high-availability.md; or correct checkpoint.dynamodb.table and region",
            ),
            false => failure,
        })
    }

    /// An `UpdateItem` on condition; whether the condition held.
    async fn update(&self, update: &str, condition: &str, values: Value) -> Result<bool, Failure> {
        let text = format!("{update} {condition}");
        let names: serde_json::Map<String, Value> = NAMES
            .iter()
            .filter(|(short, _)| {
                text.split([' ', ',', '=', '(', ')'])
                    .any(|word| word == *short)
            })
            .map(|(short, name)| ((*short).to_owned(), json!(name)))
            .collect();
        let input = json!({
            "TableName": self.table,
            "Key": self.key(),
            "UpdateExpression": update,
            "ConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        });
        match self.call("dynamodb:UpdateItem", &input).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.is_aws(CONDITION_FAILED) => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    fn key(&self) -> Value {
        json!({"name": {"S": self.name}})
    }

    async fn read_item(&self) -> Result<Option<Row>, Failure> {
        let input = json!({"TableName": self.table, "Key": self.key(), "ConsistentRead": true});
        let answer = self.call("dynamodb:GetItem", &input).await;
        match answer?.get("Item") {
            Some(item) => row(item).map(Some).ok_or_else(|| {
                Failure::definite(format!(
                    "{}: the item of \"{}\" has values that were never written",
                    self.place, self.name
                ))
                .with_hint("give Headwater a table of its own, or delete the item")
            }),
            None => Ok(None),
        }
    }

    async fn write_claim(&self, seen: Option<&Claim>, new: &Claim) -> Result<bool, Failure> {
        let set = "SET #term = :term, #holder = :holder, #renewals = :renewals, #lease = :lease";
        let mut values = json!({
            ":term": number(new.term),
            ":holder": {"S": new.holder},
            ":renewals": number(new.renewals),
            ":lease": number(u64::try_from(new.lease.as_millis()).unwrap_or(u64::MAX)),
        });
        let Some(seen) = seen else {
            let set = format!("{set}, #version = :version");
            insert(&mut values, ":version", number(0));
            return self
                .update(&set, "attribute_not_exists(#name)", values)
                .await;
        };
        insert(&mut values, ":seen_term", number(seen.term));
        insert(&mut values, ":seen_holder", json!({"S": seen.holder}));
        insert(&mut values, ":seen_renewals", number(seen.renewals));
        let condition =
            "#term = :seen_term AND #holder = :seen_holder AND #renewals = :seen_renewals";
        self.update(set, condition, values).await
    }

    async fn write_body(&self, claim: &Claim, version: u64, body: &[u8]) -> Result<bool, Failure> {
        // Text stays readable in the console.
        let body = match std::str::from_utf8(body) {
            Ok(text) => json!({"S": text}),
            Err(_) => json!({"B": base64_simd::STANDARD.encode_to_string(body)}),
        };
        let values = json!({
            ":body": body,
            ":next": number(version.wrapping_add(1)),
            ":version": number(version),
            ":term": number(claim.term),
            ":holder": {"S": claim.holder},
        });
        let condition = "#term = :term AND #holder = :holder AND #version = :version";
        self.update("SET #body = :body, #version = :next", condition, values)
            .await
    }

    /// On a condition that never holds.
    async fn write_nothing(&self) -> Result<(), Failure> {
        let values = json!({":version": number(0)});
        let condition = "attribute_exists(#name) AND attribute_not_exists(#name)";
        self.update("SET #version = :version", condition, values)
            .await
            .map(drop)
    }

    async fn make(&self) -> Result<(), Failure> {
        let input = json!({
            "TableName": self.table,
            "AttributeDefinitions": [{"AttributeName": "name", "AttributeType": "S"}],
            "KeySchema": [{"AttributeName": "name", "KeyType": "HASH"}],
            "BillingMode": "PAY_PER_REQUEST",
        });
        match self.call("dynamodb:CreateTable", &input).await {
            Ok(_) => (),
            Err(failure) if failure.is_aws("ResourceInUseException") => (),
            Err(failure) => return Err(failure),
        }
        let ready = async {
            let input = json!({"TableName": self.table});
            loop {
                let answer = self.call("dynamodb:DescribeTable", &input).await;
                if answer?.pointer("/Table/TableStatus") == Some(&json!("ACTIVE")) {
                    return Ok(());
                }
                tokio::time::sleep(CREATE_LOOK_EVERY).await;
            }
        };
        tokio::time::timeout(CREATE_TIMEOUT, ready)
            .await
            .unwrap_or_else(|_| {
                let text = format!("{} is not ACTIVE after {CREATE_TIMEOUT:?}", self.place);
                Err(Failure::transient(text))
            })
    }
}

/// Aliases, for some of the names are DynamoDB's own words.
const NAMES: [(&str, &str); 7] = [
    ("#name", "name"),
    ("#term", "term"),
    ("#holder", "holder"),
    ("#renewals", "renewals"),
    ("#lease", "lease_ms"),
    ("#version", "version"),
    ("#body", "body"),
];

fn number(value: u64) -> Value {
    json!({"N": value.to_string()})
}

fn insert(values: &mut Value, name: &str, value: Value) {
    if let Some(values) = values.as_object_mut() {
        values.insert(name.to_owned(), value);
    }
}

pub(super) fn row(item: &Value) -> Option<Row> {
    let number = |name: &str| item.get(name)?.get("N")?.as_str()?.parse::<u64>().ok();
    let body = match item.get("body") {
        None => Vec::new(),
        Some(body) => match (body.get("S"), body.get("B")) {
            (Some(text), _) => text.as_str()?.as_bytes().to_vec(),
            (None, Some(text)) => base64_simd::STANDARD.decode_to_vec(text.as_str()?).ok()?,
            (None, None) => return None,
        },
    };
    Some(Row {
        claim: Claim {
            term: number("term")?,
            holder: item.get("holder")?.get("S")?.as_str()?.to_owned(),
            renewals: number("renewals")?,
            lease: Duration::from_millis(number("lease_ms")?),
        },
        version: number("version")?,
        body,
    })
}

impl Table for DynamoDbTable {
    fn place(&self) -> &str {
        &self.place
    }

    fn body_bytes_max(&self) -> usize {
        BODY_BYTES_MAX
    }

    fn read(&self) -> BoxFuture<'_, Result<Option<Row>, Failure>> {
        Box::pin(self.read_item())
    }

    fn claim<'a>(
        &'a self,
        seen: Option<&'a Claim>,
        new: &'a Claim,
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(self.write_claim(seen, new))
    }

    fn save<'a>(
        &'a self,
        claim: &'a Claim,
        version: u64,
        body: &'a [u8],
    ) -> BoxFuture<'a, Result<bool, Failure>> {
        Box::pin(self.write_body(claim, version, body))
    }

    fn try_write(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.write_nothing())
    }

    fn create(&self) -> BoxFuture<'_, Result<(), Failure>> {
        Box::pin(self.make())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_read_as_it_was_written() {
        let item = json!({
            "name": {"S": "shop"}, "term": {"N": "18446744073709551615"}, "holder": {"S": ""},
            "renewals": {"N": "3"}, "lease_ms": {"N": "30000"}, "version": {"N": "0"},
        });
        let found = row(&item).expect("an item");
        assert!(found.claim.is_free() && found.body.is_empty());
        assert_eq!(found.claim.term, u64::MAX);
        let mut packed = item.clone();
        packed["body"] = json!({"B": "KLUv/Q=="});
        assert_eq!(
            row(&packed).expect("an item").body,
            [0x28, 0xb5, 0x2f, 0xfd]
        );
        for name in ["term", "holder", "version"] {
            let mut broken = item.clone();
            broken[name] = json!({"BOOL": true});
            assert_eq!(row(&broken), None, "{name}");
        }
    }
}

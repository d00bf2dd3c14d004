//! Policies, against a look at the same JSON as a tree.

use serde_json::{Map, Value};

use s3reel::signing::pattern::ResourcePattern;
use s3reel::signing::policy::{Policy, custom};

/// The laws for the text of a policy.
pub fn hold(input: &[u8]) {
    let Ok(policy) = Policy::parse(input) else {
        return;
    };
    let tree: Value = serde_json::from_slice(input).unwrap_or_default();
    let statement = only(&tree, &["Statement"]).and_then(|document| document.get("Statement"));
    let statement = statement
        .and_then(Value::as_array)
        .and_then(|list| match list.as_slice() {
            [one] => only(one, &["Resource", "Condition"]),
            _ => None,
        });
    let Some(statement) = statement else {
        panic!("not one statement");
    };
    let resource = statement
        .get("Resource")
        .and_then(Value::as_str)
        .unwrap_or_default();
    assert_eq!(
        ResourcePattern::parse(resource).as_ref(),
        Ok(&policy.resource)
    );
    let known = ["DateLessThan", "DateGreaterThan", "IpAddress"];
    let Some(conditions) = statement
        .get("Condition")
        .and_then(|conditions| only(conditions, &known))
    else {
        panic!("other conditions");
    };
    let of = |name: &str, inner: &str| {
        let condition = conditions
            .get(name)
            .filter(|condition| !condition.is_null())?;
        only(condition, &[inner]).and_then(|condition| condition.get(inner))
    };
    assert_eq!(
        of("DateLessThan", "AWS:EpochTime").and_then(Value::as_u64),
        Some(policy.expires)
    );
    assert_eq!(
        of("DateGreaterThan", "AWS:EpochTime").and_then(Value::as_u64),
        policy.not_before
    );
    let network = of("IpAddress", "AWS:SourceIp").and_then(Value::as_str);
    assert_eq!(network.is_some(), policy.addresses.is_some(), "for whom");
    // What signers make of the same is read as the same.
    let made = custom(
        resource,
        policy.expires,
        policy.not_before,
        policy.addresses,
    );
    assert_eq!(Policy::parse(made.as_bytes()), Ok(policy), "there and back");
}

/// An object with no other members than these.
fn only<'a>(value: &'a Value, names: &[&str]) -> Option<&'a Map<String, Value>> {
    let object = value.as_object()?;
    let is_known = |name: &String| names.contains(&name.as_str());
    object.keys().all(is_known).then_some(object)
}

//! What a process says of itself that waits for another one's place.

use headwater::telemetry::http::Fitness;

use super::*;

#[actix::test]
async fn who_stands_by_is_fit_for_it_once_its_checks_have_passed_and_its_store_answers() {
    let slot = SupervisorSlot::default();
    let server = serve(&slot);
    let address = server.address();
    assert_eq!(get(address, "/standbyz").await.code, 503, "it starts");
    slot.stand_by("in use by \"a\"");
    let waits = get(address, "/standbyz").await;
    assert_eq!(waits.code, 503);
    assert!(waits.body.contains("not done"), "{}", waits.body);
    slot.judge(Fitness::Unfit("source: no".into()));
    let unfit = get(address, "/standbyz").await;
    assert_eq!(unfit.code, 503);
    assert!(unfit.body.contains("source: no"), "{}", unfit.body);
    slot.judge(Fitness::Fit);
    slot.stand_by("in use by \"a\"");
    assert_eq!(get(address, "/standbyz").await.code, 200);
    assert_eq!(
        get(address, "/readyz").await.code,
        503,
        "it does not stream"
    );
    slot.wait_for_store("no answer");
    assert_eq!(get(address, "/standbyz").await.code, 503);
    slot.stand_by("in use by \"a\"");
    assert_eq!(get(address, "/standbyz").await.code, 200);

    let tell = deaf(&slot, State::Starting);
    slot.judge(Fitness::Fit);
    assert_eq!(
        get(address, "/standbyz").await.code,
        503,
        "it took over, and does not stream"
    );
    tell.send_replace(vitals(State::Streaming));
    assert_eq!(get(address, "/standbyz").await.code, 200);
    server.stop().await;
}

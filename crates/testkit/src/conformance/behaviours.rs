//! The list.

use std::future::Future;
use std::pin::Pin;

use siphon_core::abi::Capabilities;

use super::lab::Lab;
use super::{arrival, endings, settlement};

type Run = for<'a> fn(Lab<'a>) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// What a driver must do.
pub(super) struct Behaviour {
    pub(super) name: &'static str,
    pub(super) needs: Needs,
    pub(super) run: Run,
}

/// What a behaviour needs.
#[derive(Clone, Copy)]
pub(super) enum Needs {
    Nothing,
    /// With what is said of a driver that lacks it.
    Ability(Capabilities, &'static str),
    Headers,
    Sharing,
    Restart,
}

use Needs::{Ability, Headers, Nothing, Restart, Sharing};

const fn behaviour(name: &'static str, needs: Needs, run: Run) -> Behaviour {
    Behaviour { name, needs, run }
}

/// Every behaviour, the simple ones first: when one fails, the later ones often only repeat it.
pub(super) const ALL: &[Behaviour] = &[
    behaviour("a payload arrives as it was published, empty or big", Nothing, |lab| Box::pin(arrival::payloads(lab))),
    behaviour("headers come along", Headers, |lab| Box::pin(arrival::headers(lab))),
    behaviour(
        "events come in the order of their publishing",
        Ability(Capabilities::ORDER, "it promises no order"),
        |lab| Box::pin(arrival::order(lab)),
    ),
    behaviour("no more events are out than the agent allows", Nothing, |lab| Box::pin(arrival::bound(lab))),
    behaviour("a payload may outlive its source", Nothing, |lab| Box::pin(arrival::outlives(lab))),
    behaviour("a ping is answered", Nothing, |lab| Box::pin(arrival::ping(lab))),
    behaviour("what is acknowledged does not come again", Nothing, |lab| Box::pin(settlement::acknowledged(lab))),
    behaviour("what is given back comes again", Ability(Capabilities::GIVE_BACK, "it gives nothing back"), |lab| {
        Box::pin(settlement::given_back(lab))
    }),
    behaviour(
        "what has failed comes again, and is counted",
        Ability(Capabilities::GIVE_BACK, "it gives nothing back"),
        |lab| Box::pin(settlement::failed(lab)),
    ),
    behaviour("what has failed waits for its delay", Ability(Capabilities::DELAY, "it does not delay"), |lab| {
        Box::pin(settlement::delayed(lab))
    }),
    behaviour("what is rejected leaves the queue", Ability(Capabilities::REJECT, "it does not dead-letter"), |lab| {
        Box::pin(settlement::rejected(lab))
    }),
    behaviour("a verdict twice, or on nothing, changes nothing", Nothing, |lab| Box::pin(settlement::twice(lab))),
    behaviour("closing gives back what was not taken", Nothing, |lab| Box::pin(endings::closed(lab))),
    behaviour("what a killed consumer had comes again", Nothing, |lab| Box::pin(endings::killed(lab))),
    behaviour("agents that come and go lose nothing", Nothing, |lab| Box::pin(endings::coming_and_going(lab))),
    behaviour("two consumers share the work", Sharing, |lab| Box::pin(endings::shared(lab))),
    behaviour("a restart of the broker loses nothing", Restart, |lab| Box::pin(endings::restarted(lab))),
];

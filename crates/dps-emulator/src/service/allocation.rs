//! Which hub a device goes to (`wire-protocol.md` section 7.4).

use crate::config::{AllocationPolicy, CustomAllocationDefinition, HubConfig};
use crate::model::{Hubs, Placement};
use core::net::IpAddr;
use sha2::{Digest, Sha256};

/// What the policy says.
#[derive(Debug, PartialEq)]
pub(super) enum Choice<'a> {
    /// This hub.
    Hub(String),
    /// Ask this webhook, which may choose among these.
    Ask(&'a CustomAllocationDefinition, Vec<String>),
    /// There is none to choose.
    None,
}

/// Chooses for a device that asks from an address. The hub that an enrollment names goes before
/// its policy, and its policy before the service's.
pub(super) fn choose<'a>(
    registration_id: &str,
    placement: &'a Placement,
    hubs: &Hubs,
    from: Option<IpAddr>,
) -> Choice<'a> {
    if let Some(name) = &placement.iot_hub_host_name {
        return found(hubs.find(name));
    }
    let candidates = hubs.among(&placement.iot_hubs);
    let policy = placement.allocation_policy.unwrap_or_else(|| hubs.default_policy());
    match (policy, &placement.custom_allocation_definition) {
        (AllocationPolicy::Hashed, _) => found(by_hash(registration_id, &candidates)),
        // Of several static hubs each device keeps its own. One that is named is meant, weight or not.
        (AllocationPolicy::Static, _) => found(
            by_hash(registration_id, &candidates)
                .or_else(|| by_hash_of(registration_id, &candidates, |_| 1)),
        ),
        (AllocationPolicy::GeoLatency, _) => {
            let candidates: Vec<&HubConfig> =
                candidates.into_iter().filter(|hub| hub.allocation_weight > 0).collect();
            let latency =
                |hub: &HubConfig| from.and_then(|from| hubs.latency(from, hub)).unwrap_or(u32::MAX);
            let least = candidates.iter().map(|hub| latency(hub)).min();
            let nearest: Vec<&HubConfig> =
                candidates.into_iter().filter(|hub| Some(latency(hub)) == least).collect();
            found(by_hash(registration_id, &nearest))
        }
        (AllocationPolicy::Custom, Some(webhook)) if !candidates.is_empty() => {
            Choice::Ask(webhook, candidates.into_iter().map(|hub| hub.host_name.clone()).collect())
        }
        (AllocationPolicy::Custom, _) => Choice::None,
    }
}

fn found(hub: Option<&HubConfig>) -> Choice<'static> {
    hub.map_or(Choice::None, |hub| Choice::Hub(hub.host_name.clone()))
}

/// The hub with the highest score of device and hub together (weighted rendezvous hashing): every
/// device keeps its hub while that hub exists, and each hub gets devices by its weight.
fn by_hash<'a>(registration_id: &str, hubs: &[&'a HubConfig]) -> Option<&'a HubConfig> {
    by_hash_of(registration_id, hubs, |hub| hub.allocation_weight)
}

fn by_hash_of<'a>(
    registration_id: &str,
    hubs: &[&'a HubConfig],
    weight: impl Fn(&HubConfig) -> u32,
) -> Option<&'a HubConfig> {
    let device = registration_id.to_ascii_lowercase();
    let score = |hub: &HubConfig| -> f64 {
        let mut hash = Sha256::new();
        hash.update(device.as_bytes());
        hash.update([0]);
        hash.update(hub.host_name.to_ascii_lowercase().as_bytes());
        let digest: [u8; 32] = hash.finalize().into();
        let head = digest.first_chunk::<8>().map_or(0, |head| u64::from_be_bytes(*head));
        // A number between 0 and 1, neither of which it is: 53 bits fit a double.
        let uniform = ((head >> 11) as f64 + 0.5) / (1_u64 << 53) as f64;
        -f64::from(weight(hub)) / uniform.ln()
    };
    let weighty = hubs.iter().filter(|hub| weight(hub) > 0);
    weighty.max_by(|one, other| score(one).total_cmp(&score(other))).copied()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::EmulatorConfig;

    fn hubs(yaml: &str) -> Hubs {
        Hubs::new(&EmulatorConfig::from_yaml(yaml).unwrap()).unwrap()
    }

    fn chosen(hubs: &Hubs, id: &str, placement: &Placement, from: Option<&str>) -> String {
        match choose(id, placement, hubs, from.map(|from| from.parse().unwrap())) {
            Choice::Hub(name) => name,
            other => panic!("{other:?}"),
        }
    }

    fn counts(hubs: &Hubs, placement: &Placement) -> Vec<usize> {
        let mut counts = vec![0; hubs.names().len()];
        for number in 0..4000 {
            let hub = chosen(hubs, &format!("device-{number}"), placement, None);
            counts[hubs.names().iter().position(|name| *name == hub).unwrap()] += 1;
        }
        counts
    }

    #[test]
    fn devices_spread_evenly_over_the_hubs() {
        let counts = counts(&hubs("hubs: [a.b, b.b, c.b, d.b]"), &Placement::default());
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn each_hub_gets_devices_by_its_weight() {
        let hubs = hubs(
            "hubs: [{hostName: a.b, allocationWeight: 3}, b.b, {hostName: c.b, allocationWeight: 0}]",
        );
        let counts = counts(&hubs, &Placement::default());
        assert!((2850..3150).contains(&counts[0]) && counts[2] == 0, "{counts:?}");
    }

    #[test]
    fn a_device_keeps_its_hub_whatever_the_order_case_or_new_hubs() {
        let few = hubs("hubs: [a.b, b.b, c.b]");
        let reversed = hubs("hubs: [c.b, b.b, a.b]");
        let many = hubs("hubs: [a.b, b.b, c.b, d.b]");
        let any = Placement::default();
        for number in 0..500 {
            let device = format!("device-{number}");
            let hub = chosen(&few, &device, &any, None);
            assert_eq!(chosen(&few, &device.to_uppercase(), &any, None), hub);
            assert_eq!(chosen(&reversed, &device, &any, None), hub);
            let among_more = chosen(&many, &device, &any, None);
            assert!(among_more == hub || among_more == "d.b");
        }
    }

    #[test]
    fn the_nearest_hub_gets_the_device_and_others_share_what_is_as_near() {
        let hubs = hubs(
            "
hubs: [{hostName: east.b, region: eastus}, {hostName: west.b, region: westus2}, w2.b]
allocationPolicy: geoLatency
deviceNetworks:
  - {network: 10.0.0.0/8, latencyMs: {EastUS: 5, westus2: 60}}
  - {network: 10.9.0.0/16, latencyMs: {eastus: 70, westus2: 9, w2.b: 9}}
",
        );
        let any = Placement::default();
        for number in 0..100 {
            let id = format!("device-{number}");
            assert_eq!(chosen(&hubs, &id, &any, Some("10.1.2.3")), "east.b");
            assert_ne!(chosen(&hubs, &id, &any, Some("10.9.2.3")), "east.b");
            let east = Placement { iot_hubs: vec!["east.b".into()], ..Placement::default() };
            assert_eq!(chosen(&hubs, &id, &east, Some("10.9.2.3")), "east.b");
        }
        let near = |from: &'static str| {
            let ids = (0..100).map(|number| format!("device-{number}"));
            let hubs = ids.map(|id| chosen(&hubs, &id, &any, Some(from)));
            hubs.collect::<std::collections::BTreeSet<_>>().len()
        };
        assert_eq!((near("10.9.2.3"), near("203.0.113.1")), (2, 3));
    }

    #[test]
    fn a_hub_without_weight_is_for_those_who_name_it() {
        let hubs = hubs(
            "
hubs: [{hostName: spare.b, allocationWeight: 0}, far.b]
deviceNetworks: [{network: 10.0.0.0/8, latencyMs: {spare.b: 1, far.b: 90}}]
",
        );
        let named = |policy| Placement {
            iot_hubs: vec!["spare.b".into()],
            allocation_policy: Some(policy),
            ..Placement::default()
        };
        assert_eq!(chosen(&hubs, "d", &named(AllocationPolicy::Static), None), "spare.b");
        assert_eq!(choose("d", &named(AllocationPolicy::Hashed), &hubs, None), Choice::None);
        let near = Placement {
            allocation_policy: Some(AllocationPolicy::GeoLatency),
            ..Placement::default()
        };
        assert_eq!(chosen(&hubs, "d", &near, Some("10.1.1.1")), "far.b");
    }

    #[test]
    fn what_an_enrollment_says_goes_first() {
        let hubs = hubs("hubs: [a.b, b.b, {hostName: apart.b, applyAllocationPolicy: false}]");
        assert_eq!(counts(&hubs, &Placement::default())[2], 0, "only for those who name it");
        let named = Placement { iot_hub_host_name: Some("apart.b".into()), ..Placement::default() };
        let custom = CustomAllocationDefinition {
            webhook_url: "https://x.y/".into(),
            api_version: "1".into(),
        };
        let asking = Placement {
            allocation_policy: Some(AllocationPolicy::Custom),
            custom_allocation_definition: Some(custom.clone()),
            iot_hubs: vec!["apart.b".into(), "A.b".into(), "gone.b".into()],
            ..Placement::default()
        };
        assert_eq!(chosen(&hubs, "d", &named, None), "apart.b");
        let choice = choose("d", &asking, &hubs, None);
        assert_eq!(choice, Choice::Ask(&custom, vec!["apart.b".into(), "a.b".into()]));
        let gone = Placement { iot_hubs: vec!["gone.b".into()], ..Placement::default() };
        assert_eq!(choose("d", &gone, &hubs, None), Choice::None);
    }
}

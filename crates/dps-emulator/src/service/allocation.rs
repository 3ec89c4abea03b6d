//! Which hub a device goes to when its enrollment names none: the policy `hashed`
//! (`wire-protocol.md` section 7.4).

use sha2::{Digest, Sha256};

/// The hub with the highest hash of device and hub together (rendezvous hashing): every device
/// keeps its hub while that hub exists, and devices spread evenly. `None` when there is no hub.
pub(super) fn hub_for(registration_id: &str, hubs: &[String]) -> Option<String> {
    let device = registration_id.to_ascii_lowercase();
    let score = |hub: &&String| -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(device.as_bytes());
        hash.update([0]);
        hash.update(hub.to_ascii_lowercase().as_bytes());
        hash.finalize().into()
    };
    hubs.iter().max_by_key(score).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hubs(count: usize) -> Vec<String> {
        (0..count).map(|number| format!("hub-{number}.localhost")).collect()
    }

    #[test]
    fn devices_spread_evenly_over_the_hubs() {
        let hubs = hubs(4);
        let mut counts = [0; 4];
        for number in 0..4000 {
            let hub = hub_for(&format!("device-{number}"), &hubs).unwrap();
            counts[hubs.iter().position(|name| *name == hub).unwrap()] += 1;
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
    }

    #[test]
    fn a_device_keeps_its_hub_whatever_the_order_case_or_new_hubs() {
        let few = hubs(3);
        let many = hubs(4);
        let mut reversed = few.clone();
        reversed.reverse();
        for number in 0..500 {
            let device = format!("device-{number}");
            let hub = hub_for(&device, &few).unwrap();
            assert_eq!(hub_for(&device.to_uppercase(), &reversed).unwrap(), hub);
            let later = hub_for(&device, &many).unwrap();
            assert!(later == hub || later == "hub-3.localhost", "{device} moved to {later}");
        }
        assert_eq!(hub_for("x", &[]), None);
    }
}

//! Which calls the servers of a version list.

use fluss_scan::messages::ApiVersion;

/// A version of Fluss.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 0.9: no scan of a state by snapshot, no filters.
    V0_9,
    /// 1.0.
    V1_0,
}

type Range = std::ops::RangeInclusive<i32>;

const COORDINATOR: [Range; 9] = [
    1000..=1012,
    1020..=1020,
    1022..=1025,
    1027..=1027,
    1030..=1030,
    1032..=1032,
    1035..=1058,
    // from here on: 1.0 only
    1060..=1060,
    1062..=1064,
];
const COORDINATOR_0_9: usize = 7;

const TABLET: [Range; 13] = [
    1000..=1000,
    1003..=1004,
    1007..=1019,
    1021..=1021,
    1023..=1026,
    1028..=1029,
    1031..=1034,
    1035..=1035,
    1038..=1038,
    1040..=1040,
    1045..=1045,
    1059..=1059,
    // from here on: 1.0 only
    1061..=1062,
];
const TABLET_0_9: usize = 12;

/// Calls whose later versions are served too: call, highest version of 0.9 and of 1.0.
const LATER_VERSIONS: [(i32, i32, i32); 3] = [(1016, 1, 2), (1017, 1, 1), (1034, 1, 1)];

/// What a server of this version lists.
pub(crate) fn listed(version: Version, is_coordinator: bool) -> Vec<ApiVersion> {
    let (ranges, of_0_9) = if is_coordinator {
        (&COORDINATOR[..], COORDINATOR_0_9)
    } else {
        (&TABLET[..], TABLET_0_9)
    };
    let count = if version == Version::V0_9 { of_0_9 } else { ranges.len() };
    let calls = ranges[..count].iter().cloned().flatten();
    calls
        .map(|api| ApiVersion { api, min: 0, max: highest(api, version, is_coordinator) })
        .collect()
}

fn highest(api: i32, version: Version, is_coordinator: bool) -> i32 {
    let later = LATER_VERSIONS.iter().find(|(call, ..)| *call == api && !is_coordinator);
    later.map_or(0, |(_, old, new)| if version == Version::V0_9 { *old } else { *new })
}

/// Whether a server of this version answers a call at all.
pub(crate) fn is_listed(version: Version, is_coordinator: bool, api: i16) -> bool {
    listed(version, is_coordinator).iter().any(|call| call.api == i32::from(api))
}

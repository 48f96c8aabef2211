//! A value for every service, and sets of services.

use std::ops::{Index, IndexMut};

use super::Service;

/// One `T` for every service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[allow(missing_docs, reason = "the fields are called as the services are")]
pub struct PerService<T> {
    pub http: T,
    pub sip: T,
    pub ldap: T,
    pub h323: T,
}

const _: () =
    assert!(size_of::<PerService<u8>>() == Service::ALL.len(), "a service is missing in one of them");

impl<T> PerService<T> {
    /// The values that `make` returns for each service, in the order of [`Service::ALL`].
    pub fn from_fn(mut make: impl FnMut(Service) -> T) -> Self {
        Self {
            http: make(Service::Http),
            sip: make(Service::Sip),
            ldap: make(Service::Ldap),
            h323: make(Service::H323),
        }
    }

    /// The value for `service`.
    pub const fn get(&self, service: Service) -> &T {
        match service {
            Service::Http => &self.http,
            Service::Sip => &self.sip,
            Service::Ldap => &self.ldap,
            Service::H323 => &self.h323,
        }
    }

    /// The value for `service`, to be changed.
    pub const fn get_mut(&mut self, service: Service) -> &mut T {
        match service {
            Service::Http => &mut self.http,
            Service::Sip => &mut self.sip,
            Service::Ldap => &mut self.ldap,
            Service::H323 => &mut self.h323,
        }
    }

    /// Each service with its value, in the order of [`Service::ALL`].
    pub fn iter(&self) -> impl Iterator<Item = (Service, &T)> {
        Service::ALL.into_iter().map(|service| (service, self.get(service)))
    }
}

impl<T> Index<Service> for PerService<T> {
    type Output = T;

    fn index(&self, service: Service) -> &T {
        self.get(service)
    }
}

impl<T> IndexMut<Service> for PerService<T> {
    fn index_mut(&mut self, service: Service) -> &mut T {
        self.get_mut(service)
    }
}

/// A set of services, in one octet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ServiceSet(u8);

impl ServiceSet {
    /// Every service.
    pub const ALL: Self = Self((1 << Service::ALL.len()) - 1);

    /// Adds `service`.
    pub const fn insert(&mut self, service: Service) {
        self.0 |= Self::bit(service);
    }

    /// Whether `service` is in it.
    pub const fn contains(self, service: Service) -> bool {
        self.0 & Self::bit(service) != 0
    }

    /// How many services of the set come before `service` in the order of [`Service::ALL`].
    pub const fn before(self, service: Service) -> u32 {
        (self.0 & (Self::bit(service) - 1)).count_ones()
    }

    const fn bit(service: Service) -> u8 {
        1 << service as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_service_has_its_own_place() {
        let mut named = PerService::from_fn(Service::name);
        assert!(named.iter().map(|(_, name)| *name).eq(Service::ALL.map(Service::name)));
        for service in Service::ALL {
            assert_eq!(named[service], service.name());
            named[service] = "changed";
            assert_eq!(named.iter().filter(|(_, name)| **name == "changed").count(), 1);
            named[service] = service.name();
        }
    }

    #[test]
    fn a_set_holds_what_was_put_in_and_counts_what_stands_before() {
        let mut set = ServiceSet::default();
        for (count, service) in (0..).zip(Service::ALL) {
            assert!(!set.contains(service));
            assert_eq!(ServiceSet::ALL.before(service), count);
            set.insert(service);
            assert!(set.contains(service) && ServiceSet::ALL.contains(service));
        }
        assert_eq!(set, ServiceSet::ALL);
        let mut some = ServiceSet::default();
        some.insert(Service::H323);
        some.insert(Service::Sip);
        assert_eq!(Service::ALL.map(|service| some.before(service)), [0, 0, 1, 1]);
    }
}

//! `events`: what happened, and is happening, to containers and images.

use super::{Engine, EventQuery, EventReader, Inner, Result};
use crate::model::{ContainerRecord, Event, EventAction, EventSubject, Timestamp};
use crate::monitor::append_event;

impl Engine {
    /// Past events by the query, and with `follow` those to come.
    pub fn events(&self, query: &EventQuery) -> Result<EventReader> {
        Ok(EventReader::open(&self.0.events_file(), query)?)
    }
}

impl Inner {
    pub(super) fn tell(&self, action: EventAction, record: &ContainerRecord, detail: Option<String>) {
        self.tell_event(Self::container_event(action, record, detail));
    }

    pub(super) fn tell_image(&self, action: EventAction, reference: &str) {
        self.tell_event(Event {
            time: Timestamp::now(),
            subject: EventSubject::Image,
            action,
            id: reference.to_owned(),
            name: reference.to_owned(),
            exit_code: None,
            detail: None,
            attributes: Default::default(),
        });
    }

    pub(super) fn container_event(action: EventAction, record: &ContainerRecord, detail: Option<String>) -> Event {
        Event {
            time: Timestamp::now(),
            subject: EventSubject::Container,
            action,
            id: record.id.to_string(),
            name: record.name.to_string(),
            exit_code: None,
            detail,
            attributes: Default::default(),
        }
    }

    /// An event that cannot be written (a full disk) is lost: what it tells of has happened, and must not fail for it.
    pub(super) fn tell_event(&self, event: Event) {
        let _ = append_event(&self.events_file(), &event);
    }
}

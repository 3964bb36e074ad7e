//! Images: the store, registries, layers and import. Touches no container.

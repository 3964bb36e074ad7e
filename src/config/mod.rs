//! Wishes: the configuration file and the folders. Values are passed down, never read below the engine.

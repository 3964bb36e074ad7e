//! The command line's grammar: one enum of commands, and the management forms that Docker has beside them.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::commit::Commit;
use super::completion::Completion;
use super::copy::Copy;
use super::diff::Diff;
use super::export::Export;
use super::history::History;
use super::images::{Images, RemoveImages, TagImage};
use super::import::Import;
use super::inspect::Inspect;
use super::lifecycle::{Containers, Kill, Remove, Rename, Stop};
use super::list::List;
use super::load::Load;
use super::login::{Login, Logout};
use super::logs::{Events, Logs};
use super::machine::{Doctor, InfoWish, Version};
use super::network::{NetworkCommand, Port};
use super::prune::{PruneContainers, PruneImages, PruneSystem};
use super::pull::Pull;
use super::push::Push;
use super::run::{Attach, Create, Exec, Run, Start};
use super::save::Save;
use super::search::Search;
use super::stats::{Stats, Top};
use super::update::Update;
use super::usage::{CheckWish, DiskFree};
use super::volume::VolumeCommand;

/// Containers in one terminal, without a daemon.
#[derive(Parser, Clone, Debug)]
#[command(name = "teu", version, disable_version_flag = true, disable_help_subcommand = false)]
pub struct Arguments {
    #[command(flatten)]
    pub folders: FolderFlags,
    /// Print the version
    #[arg(short = 'v', long, short_alias = 'V', action = clap::ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub command: Option<Command>,
}

impl Arguments {
    pub fn of(folders: FolderFlags, command: Command) -> Self {
        Self { folders, version: None, command: Some(command) }
    }
}

/// Where teu keeps things.
#[derive(Args, Clone, Debug)]
pub struct FolderFlags {
    /// Data folder: containers and images [env: TEU_ROOT]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Global options")]
    pub root: Option<PathBuf>,
    /// Run folder: what is running now [env: TEU_RUNROOT]
    #[arg(long, global = true, value_name = "FOLDER", help_heading = "Global options")]
    pub runroot: Option<PathBuf>,
}

/// Docker's commands.
#[derive(Subcommand, Clone, Debug)]
pub enum Command {
    #[command(disable_help_flag = true)]
    Run(Box<Run>),
    #[command(disable_help_flag = true)]
    Create(Box<Create>),
    Start(Start),
    Exec(Exec),
    Attach(Attach),
    Stop(Stop),
    /// Stop containers and start them again
    Restart(Stop),
    Kill(Kill),
    /// Halt all processes of containers
    Pause(Containers),
    /// Let paused containers go on
    Unpause(Containers),
    /// Wait for containers to exit and print their exit codes
    Wait(Containers),
    Update(Update),
    Rename(Rename),
    Rm(Remove),
    Ps(List),
    Logs(Logs),
    Stats(Stats),
    Top(Top),
    Export(Export),
    Inspect(Inspect),
    Diff(Diff),
    Cp(Copy),
    Commit(Commit),
    History(History),
    Events(Events),
    Images(Images),
    Pull(Pull),
    Push(Push),
    Search(Search),
    Login(Login),
    Logout(Logout),
    Import(Import),
    Tag(TagImage),
    Save(Save),
    Load(Load),
    Rmi(RemoveImages),
    Info(InfoWish),
    Version(Version),
    Doctor(Doctor),
    Completion(Completion),
    /// Networks that containers can be in
    #[command(subcommand)]
    Network(NetworkCommand),
    Port(Port),
    /// Volumes that containers keep data in
    #[command(subcommand)]
    Volume(VolumeCommand),
    /// Commands on containers, by Docker's longer names
    #[command(subcommand, hide = true)]
    Container(ContainerCommand),
    /// Commands on images, by Docker's longer names
    #[command(subcommand, hide = true)]
    Image(ImageCommand),
    /// Commands on the machine, by Docker's longer names
    #[command(subcommand, hide = true)]
    System(SystemCommand),
}

#[derive(Subcommand, Clone, Debug)]
pub enum ContainerCommand {
    #[command(disable_help_flag = true)]
    Run(Box<Run>),
    #[command(disable_help_flag = true)]
    Create(Box<Create>),
    Start(Start),
    Exec(Exec),
    Attach(Attach),
    Stop(Stop),
    /// Stop containers and start them again
    Restart(Stop),
    Kill(Kill),
    /// Halt all processes of containers
    Pause(Containers),
    /// Let paused containers go on
    Unpause(Containers),
    /// Wait for containers to exit and print their exit codes
    Wait(Containers),
    Update(Update),
    Rename(Rename),
    #[command(alias = "remove")]
    Rm(Remove),
    #[command(aliases = ["ps", "list"])]
    Ls(List),
    Logs(Logs),
    Stats(Stats),
    Top(Top),
    Export(Export),
    Inspect(Inspect),
    Prune(PruneContainers),
    Diff(Diff),
    Cp(Copy),
    Commit(Commit),
}

#[derive(Subcommand, Clone, Debug)]
pub enum ImageCommand {
    #[command(alias = "list")]
    Ls(Images),
    Pull(Pull),
    Push(Push),
    Import(Import),
    Save(Save),
    Load(Load),
    Inspect(Inspect),
    Prune(PruneImages),
    History(History),
    #[command(alias = "remove")]
    Rm(RemoveImages),
    Tag(TagImage),
}

#[derive(Subcommand, Clone, Debug)]
pub enum SystemCommand {
    Info(InfoWish),
    Events(Events),
    Df(DiskFree),
    Prune(PruneSystem),
    Check(CheckWish),
}

impl Command {
    /// The command that a management form is another name of.
    pub fn plain(self) -> Self {
        use super::inspect::Kind;
        match self {
            Self::Container(command) => match command {
                ContainerCommand::Run(wish) => Self::Run(wish),
                ContainerCommand::Create(wish) => Self::Create(wish),
                ContainerCommand::Start(wish) => Self::Start(wish),
                ContainerCommand::Exec(wish) => Self::Exec(wish),
                ContainerCommand::Attach(wish) => Self::Attach(wish),
                ContainerCommand::Stop(wish) => Self::Stop(wish),
                ContainerCommand::Restart(wish) => Self::Restart(wish),
                ContainerCommand::Kill(wish) => Self::Kill(wish),
                ContainerCommand::Pause(wish) => Self::Pause(wish),
                ContainerCommand::Unpause(wish) => Self::Unpause(wish),
                ContainerCommand::Wait(wish) => Self::Wait(wish),
                ContainerCommand::Update(wish) => Self::Update(wish),
                ContainerCommand::Rename(wish) => Self::Rename(wish),
                ContainerCommand::Rm(wish) => Self::Rm(wish),
                ContainerCommand::Ls(wish) => Self::Ps(wish),
                ContainerCommand::Logs(wish) => Self::Logs(wish),
                ContainerCommand::Stats(wish) => Self::Stats(wish),
                ContainerCommand::Top(wish) => Self::Top(wish),
                ContainerCommand::Diff(wish) => Self::Diff(wish),
                ContainerCommand::Cp(wish) => Self::Cp(wish),
                ContainerCommand::Commit(wish) => Self::Commit(wish),
                ContainerCommand::Export(wish) => Self::Export(wish),
                ContainerCommand::Inspect(wish) => Self::Inspect(wish.only(Kind::Container)),
                // There is no shorter name for these.
                ContainerCommand::Prune(wish) => Self::Container(ContainerCommand::Prune(wish)),
            },
            Self::Image(command) => match command {
                ImageCommand::Ls(wish) => Self::Images(wish),
                ImageCommand::Pull(wish) => Self::Pull(wish),
                ImageCommand::Push(wish) => Self::Push(wish),
                ImageCommand::Import(wish) => Self::Import(wish),
                ImageCommand::Save(wish) => Self::Save(wish),
                ImageCommand::History(wish) => Self::History(wish),
                ImageCommand::Load(wish) => Self::Load(wish),
                ImageCommand::Inspect(wish) => Self::Inspect(wish.only(Kind::Image)),
                ImageCommand::Prune(wish) => Self::Image(ImageCommand::Prune(wish)),
                ImageCommand::Rm(wish) => Self::Rmi(wish),
                ImageCommand::Tag(wish) => Self::Tag(wish),
            },
            Self::System(command) => match command {
                SystemCommand::Info(wish) => Self::Info(wish),
                SystemCommand::Events(wish) => Self::Events(wish),
                other => Self::System(other),
            },
            plain => plain,
        }
    }
}

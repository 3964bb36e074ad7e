// The floor under `run --rm --network none IMAGE true`: what the kernel itself takes for it, in C, with nothing decided.
//
//   floor run LOWER UPPER WORK MERGED PROGRAM   namespaces, a cgroup in every hierarchy, overlay, proc, dev, pivot_root, execve
//   floor exec PID PROGRAM                      what a command in a running container takes: setns, fork, execve
//
// Prints nothing; returns what PROGRAM returns. Build: cc -O2 -static floor.c -o floor
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(int result, const char *what) {
  if (result < 0) {
    fprintf(stderr, "floor: %s: %s\n", what, strerror(errno));
    _exit(125);
  }
}

// A folder of ours in each cgroup hierarchy; the child joins by writing 0 to `tasks` (v1) or `cgroup.procs` (v2).
static char groups[16][256];
static char joins[16][300];
static int group_count;

static void make_groups(void) {
  FILE *mounts = fopen("/proc/self/mounts", "r");
  char device[256], place[256], kind[64], rest[1024];
  while (mounts && fscanf(mounts, "%255s %255s %63s %1023[^\n]", device, place, kind, rest) == 4 && group_count < 16) {
    int first = strcmp(kind, "cgroup") == 0, second = strcmp(kind, "cgroup2") == 0;
    if (!first && !second) continue;
    char *path = groups[group_count];
    snprintf(path, sizeof groups[0], "%.200s/teu-floor-%d", place, getpid());
    if (mkdir(path, 0755) < 0) continue;
    if (first && strstr(rest, "cpuset")) {
      // A cpuset takes no process before it has processors and memory.
      const char *files[] = {"cpuset.cpus", "cpuset.mems"};
      for (int i = 0; i < 2; i++) {
        char from[300], to[300], value[256];
        snprintf(from, sizeof from, "%.200s/%s", place, files[i]);
        snprintf(to, sizeof to, "%.250s/%s", path, files[i]);
        int source = open(from, O_RDONLY), target = open(to, O_WRONLY);
        ssize_t length = source < 0 ? -1 : read(source, value, sizeof value);
        if (length > 0 && target >= 0 && write(target, value, length) < 0) perror(to);
        close(source);
        close(target);
      }
    }
    snprintf(joins[group_count], sizeof joins[0], "%s/%s", path, first ? "tasks" : "cgroup.procs");
    group_count++;
  }
  if (mounts) fclose(mounts);
}

static void become_container(char **argument) {
  char options[4096];
  for (int i = 0; i < group_count; i++) {
    int file = open(joins[i], O_WRONLY);
    check(file, joins[i]);
    check(write(file, "0", 1), joins[i]);
    close(file);
  }
  check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
  // Volatile, as a container's that is removed at its end: else the teardown now and then waits for a sync.
  // The mark that a volatile mount leaves keeps the next one from being mounted.
  const char *marks[] = {"work/incompat/volatile/dirty", "work/incompat/volatile", "work/incompat"};
  for (int i = 0; i < 3; i++) {
    snprintf(options, sizeof options, "%s/%s", argument[2], marks[i]);
    remove(options);
  }
  snprintf(options, sizeof options, "lowerdir=%s,upperdir=%s,workdir=%s,volatile", argument[0], argument[1], argument[2]);
  check(mount("overlay", argument[3], "overlay", 0, options), "mount overlay");
  check(chdir(argument[3]), argument[3]);
  mkdir("proc", 0755);
  mkdir("dev", 0755);
  check(mount("proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "mount proc");
  check(mount("tmpfs", "dev", "tmpfs", MS_NOSUID, "mode=755,size=65536k"), "mount dev");
  check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(umount2(".", MNT_DETACH), "umount the old root");
  check(chdir("/"), "/");
  check(sethostname("floor", 5), "sethostname");
  char *const program[] = {argument[4], NULL}, *const environment[] = {NULL};
  execve(argument[4], program, environment);
  check(-1, argument[4]);
}

static int run(char **argument) {
  make_groups();
  struct clone_args arguments = {
      .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP,
      .exit_signal = SIGCHLD,
  };
  pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
  check(child, "clone3");
  if (child == 0) become_container(argument);
  int status;
  check(waitpid(child, &status, 0), "waitpid");
  for (int i = 0; i < group_count; i++) rmdir(groups[i]);
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int execute(char **argument) {
  int process = syscall(SYS_pidfd_open, atoi(argument[0]), 0);
  check(process, "pidfd_open");
  check(setns(process, CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWCGROUP), "setns");
  pid_t child = fork();
  check(child, "fork");
  if (child == 0) {
    char *const program[] = {argument[1], NULL}, *const environment[] = {NULL};
    execve(argument[1], program, environment);
    check(-1, argument[1]);
  }
  int status;
  check(waitpid(child, &status, 0), "waitpid");
  return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

int main(int count, char **argument) {
  if (count == 7 && strcmp(argument[1], "run") == 0) return run(argument + 2);
  if (count == 4 && strcmp(argument[1], "exec") == 0) return execute(argument + 2);
  fprintf(stderr, "usage: floor run LOWER UPPER WORK MERGED PROGRAM | floor exec PID PROGRAM\n");
  return 2;
}

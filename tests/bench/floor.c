// The floor under `run --rm --network none IMAGE true`: what the kernel itself takes for it, in C, with nothing decided.
//
//   floor run LOWER UPPER WORK MERGED PROGRAM   namespaces, a cgroup in every hierarchy, overlay, proc, dev, pivot_root, execve
//   floor oci ROOTFS PROGRAM FILTER NETNS       what `runc spec` describes, on a plain folder: bind of itself, proc, dev with its
//                                               devices, pts, shm, mqueue, sys, cgroup, masked and read-only paths, capabilities
//                                               dropped, no_new_privs; FILTER (compiled BPF) and NETNS (to join) may be `-`
//   floor exec PID PROGRAM                      what a command in a running container takes: setns, fork, execve
//
// Prints nothing; returns what PROGRAM returns. Build: cc -O2 -static floor.c -o floor
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <net/if.h>
#include <linux/capability.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
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

static void join_groups(void) {
  for (int i = 0; i < group_count; i++) {
    int file = open(joins[i], O_WRONLY);
    check(file, joins[i]);
    check(write(file, "0", 1), joins[i]);
    close(file);
  }
}

static void become_container(char **argument) {
  char options[4096];
  join_groups();
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

static void mount_on(const char *kind, const char *place, unsigned long flags, const char *options) {
  check(mount(kind, place, kind, flags, options), place);
}

static void make_read_only(const char *place) {
  if (mount(place, place, NULL, MS_BIND | MS_REC, NULL) < 0) return;
  check(mount(NULL, place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), place);
}

static void mask(const char *place) {
  struct stat found;
  if (stat(place, &found) < 0) return;
  if (S_ISDIR(found.st_mode)) mount_on("tmpfs", place, MS_RDONLY, "size=0k");
  else check(mount("/dev/null", place, NULL, MS_BIND, NULL), place);
}

static void fill_dev(void) {
  const struct { const char *name; int major, minor; } devices[] = {
      {"null", 1, 3}, {"zero", 1, 5}, {"full", 1, 7}, {"random", 1, 8}, {"urandom", 1, 9}, {"tty", 5, 0}};
  for (int i = 0; i < 6; i++) {
    char path[32];
    snprintf(path, sizeof path, "dev/%s", devices[i].name);
    check(mknod(path, S_IFCHR | 0666, makedev(devices[i].major, devices[i].minor)), path);
  }
  const char *links[][2] = {{"/proc/self/fd", "dev/fd"}, {"/proc/self/fd/0", "dev/stdin"}, {"/proc/self/fd/1", "dev/stdout"},
                            {"/proc/self/fd/2", "dev/stderr"}, {"pts/ptmx", "dev/ptmx"}};
  for (int i = 0; i < 5; i++) check(symlink(links[i][0], links[i][1]), links[i][1]);
}

static void mount_groups(void) {
  mount_on("tmpfs", "sys/fs/cgroup", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=755");
  for (int i = 0; i < group_count; i++) {
    char place[300];
    snprintf(place, sizeof place, "sys/fs/cgroup/%d", i);
    check(mkdir(place, 0755), place);
    check(mount(groups[i], place, NULL, MS_BIND, NULL), place);
    check(mount(NULL, place, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), place);
  }
  check(mount(NULL, "sys/fs/cgroup", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL), "cgroup");
}

static void raise_loopback(void) {
  struct ifreq request = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
  int handle = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  check(handle, "socket");
  check(ioctl(handle, SIOCSIFFLAGS, &request), "raise lo");
  close(handle);
}

static void drop_capabilities(void) {
  const uint32_t kept = 1u << CAP_AUDIT_WRITE | 1u << CAP_KILL | 1u << CAP_NET_BIND_SERVICE;
  for (int i = 0; i <= CAP_LAST_CAP; i++)
    if (i > 31 || !(kept >> i & 1)) prctl(PR_CAPBSET_DROP, i, 0, 0, 0);
  struct __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  struct __user_cap_data_struct sets[2] = {{kept, kept, 0}, {0, 0, 0}};
  check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "no_new_privs");
  check(syscall(SYS_capset, &header, sets), "capset");
}

static struct sock_filter filter[4096];
static struct sock_fprog program = {.filter = filter};

static void load_filter(const char *path) {
  if (strcmp(path, "-") == 0) return;
  int file = open(path, O_RDONLY | O_CLOEXEC);
  check(file, path);
  ssize_t length = read(file, filter, sizeof filter);
  check(length, path);
  close(file);
  program.len = length / sizeof filter[0];
}

static void install_filter(void) {
  if (program.len > 0) check(syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program), "seccomp");
}

static void become_oci(char **argument) {
  const char *rootfs = argument[0], *command = argument[1];
  join_groups();
  check(mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL), "make / private");
  check(mount(rootfs, rootfs, NULL, MS_BIND | MS_REC, NULL), rootfs);
  check(chdir(rootfs), rootfs);
  mount_on("proc", "proc", 0, NULL);
  mount_on("tmpfs", "dev", MS_NOSUID | MS_STRICTATIME, "mode=755,size=65536k");
  fill_dev();
  check(mkdir("dev/pts", 0755) | mkdir("dev/shm", 0755) | mkdir("dev/mqueue", 0755), "folders of dev");
  mount_on("devpts", "dev/pts", MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620,gid=5");
  mount_on("tmpfs", "dev/shm", MS_NOSUID | MS_NOEXEC | MS_NODEV, "mode=1777,size=65536k");
  mount_on("mqueue", "dev/mqueue", MS_NOSUID | MS_NOEXEC | MS_NODEV, NULL);
  mount_on("sysfs", "sys", MS_NOSUID | MS_NOEXEC | MS_NODEV | MS_RDONLY, NULL);
  mount_groups();
  check(syscall(SYS_pivot_root, ".", "."), "pivot_root");
  check(umount2(".", MNT_DETACH), "umount the old root");
  check(chdir("/"), "/");
  const char *protected[] = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};
  for (int i = 0; i < 5; i++) make_read_only(protected[i]);
  const char *masked[] = {"/proc/acpi", "/proc/asound", "/proc/kcore", "/proc/keys", "/proc/latency_stats", "/proc/timer_list",
                          "/proc/timer_stats", "/proc/sched_debug", "/sys/firmware", "/proc/scsi"};
  for (int i = 0; i < 10; i++) mask(masked[i]);
  check(mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY, NULL), "make the root read-only");
  check(sethostname("floor", 5), "sethostname");
  raise_loopback();
  drop_capabilities();
  install_filter();
  char *const words[] = {(char *)command, NULL}, *const environment[] = {NULL};
  execve(command, words, environment);
  check(-1, command);
}

static int oci(char **argument) {
  load_filter(argument[2]);
  make_groups();
  struct clone_args arguments = {
      .flags = CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUTS | CLONE_NEWIPC,
      .exit_signal = SIGCHLD,
  };
  int network = -1;
  if (strcmp(argument[3], "-") == 0) arguments.flags |= CLONE_NEWNET;
  else check(network = open(argument[3], O_RDONLY | O_CLOEXEC), argument[3]);
  pid_t child = syscall(SYS_clone3, &arguments, sizeof arguments);
  check(child, "clone3");
  if (child == 0) {
    if (network >= 0) check(setns(network, CLONE_NEWNET), "setns");
    become_oci(argument);
  }
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
  if (count == 6 && strcmp(argument[1], "oci") == 0) return oci(argument + 2);
  if (count == 4 && strcmp(argument[1], "exec") == 0) return execute(argument + 2);
  fprintf(stderr, "usage: floor run LOWER UPPER WORK MERGED PROGRAM | floor oci ROOTFS PROGRAM FILTER NETNS | floor exec PID PROGRAM\n");
  return 2;
}

/*
 * Packing, and the manager's file descriptor store.
 *
 * Whether there is such a store cannot be read anywhere that holds for all versions: $FDSTORE is set since systemd 254 only, and a unit
 * without FileDescriptorStoreMax= takes the message and closes the descriptor without a word. So the manager's deeds are looked at: a
 * pipe's end is given after the records, and once the manager has read both (BARRIER=1), the pipe is open at the far side only if it
 * keeps descriptors and still had a place. The end of this process hangs the pipe up, which makes the manager forget it by itself.
 */
#include "daemon/store/handover.h"

#include "daemon/base/record.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

enum {
        TAG_KIND = 1,
        TAG_NAME = 2,
        TAG_BLOB = 3, /* ends an operation, as the next does */
        TAG_DELETE = 4,
        PACKED_MAX = 64 * 1024 * 1024,
        PATIENCE_USEC = 5 * 1000 * 1000,
        SEALS = F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE,
};

#define PROBE_NAME "purser-probe"

/* ---- packing ---- */

static int write_all(int fd, const char *bytes, size_t n)
{
        while (n > 0) {
                ssize_t done = write(fd, bytes, n);

                if (done < 0 && errno != EINTR)
                        return fault(-errno);
                if (done > 0) {
                        bytes += done;
                        n -= (size_t)done;
                }
        }
        return 0;
}

static int put_op(struct secret_buf *buf, const struct store_op *op)
{
        int r;

        if ((r = record_put_string(buf, TAG_KIND, op->kind)) < 0 ||
            (r = record_put_string(buf, TAG_NAME, op->name)) < 0)
                return r;

        return op->blob ? record_put_bytes(buf, TAG_BLOB, op->blob, op->n)
                        : record_put_bytes(buf, TAG_DELETE, "", 0);
}

int handover_pack(const struct store_op *ops, size_t n_ops, int *ret_fd)
{
        _cleanup_(secret_buf_done) struct secret_buf buf = SECRET_BUF_INIT(PACKED_MAX);
        _cleanup_(closep) int fd = -1;
        int r;

        r = record_begin(&buf);
        for (size_t i = 0; i < n_ops && r == 0; i++)
                r = put_op(&buf, &ops[i]);
        if (r < 0)
                return r;

        fd = memfd_create("purser-unsaved", MFD_CLOEXEC | MFD_ALLOW_SEALING);
        if (fd < 0)
                return fault(-errno);
        r = write_all(fd, buf.data, buf.n);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, SEALS) < 0)
                return fault(-errno);
        *ret_fd = take_fd(&fd);
        return 0;
}

static int read_ops(const char *bytes, size_t n, int (*on_op)(const struct store_op *op, void *userdata),
                    void *userdata)
{
        _cleanup_(freep) char *kind = NULL, *name = NULL;
        struct record_reader reader;
        struct record_field field;
        int r;

        r = record_open(&reader, bytes, n);
        while (r == 0 && (r = record_next(&reader, &field)) == 0) {
                struct store_op op;

                if (field.tag == TAG_KIND || field.tag == TAG_NAME) {
                        char **text = field.tag == TAG_KIND ? &kind : &name;

                        free(take_ptr(*text));
                        r = record_get_string(&field, text);
                        continue;
                }
                if ((field.tag != TAG_BLOB && field.tag != TAG_DELETE) || !kind || !name)
                        return HANDOVER_E_MALFORMED;
                op = (struct store_op){ .kind = kind, .name = name };
                if (field.tag == TAG_BLOB) {
                        op.blob = (const uint8_t *)field.bytes;
                        op.n = field.n;
                }
                r = on_op(&op, userdata);
                if (r != 0)
                        return r;
        }
        if (r < 0)
                return r;

        return r == RECORD_E_END ? 0 : HANDOVER_E_MALFORMED;
}

int handover_unpack(int fd, int (*on_op)(const struct store_op *op, void *userdata), void *userdata)
{
        struct stat st;
        void *bytes;
        int r;

        if (fcntl(fd, F_GET_SEALS) != SEALS || fstat(fd, &st) < 0 || st.st_size <= 0 ||
            st.st_size > PACKED_MAX)
                return HANDOVER_E_MALFORMED;

        bytes = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
        if (bytes == MAP_FAILED)
                return fault(-errno);
        r = read_ops(bytes, (size_t)st.st_size, on_op, userdata);
        munmap(bytes, (size_t)st.st_size);
        return r;
}

/* ---- the manager's keeping ---- */

static int send_fd(int fd, const char *name)
{
        char state[128];
        int r;

        snprintf(state, sizeof(state), "FDSTORE=1\nFDNAME=%s", name);
        r = sd_pid_notify_with_fds(0, 0, state, &fd, 1);
        if (r > 0)
                r = sd_notify_barrier(0, PATIENCE_USEC);

        return r > 0 ? 0 : HANDOVER_E_REFUSED;
}

static int is_kept(void)
{
        _cleanup_(closep) int near = -1, far = -1;
        struct pollfd hung_up;
        int ends[2], r;

        if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
                return fault(-errno);
        near = ends[0];
        far = ends[1];
        r = send_fd(far, PROBE_NAME);
        if (r != 0)
                return r;

        close(take_fd(&far));
        hung_up = (struct pollfd){ .fd = near, .events = POLLIN };
        r = poll(&hung_up, 1, 0);
        if (r == 0)
                (void)take_fd(&near); /* open as long as this process lives */
        return r == 0 ? 0 : HANDOVER_E_REFUSED;
}

int handover_give(int fd, const char *name)
{
        int r = send_fd(fd, name);

        if (r == 0)
                r = is_kept();
        if (r != 0)
                handover_drop(name);
        return r;
}

void handover_drop(const char *name)
{
        sd_notifyf(0, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

/* ---- what was passed ---- */

static const char *known_name(const char *name)
{
        if (strcmp(name, HANDOVER_NAME) == 0)
                return HANDOVER_NAME;
        return strcmp(name, HANDOVER_OTHER_NAME) == 0 ? HANDOVER_OTHER_NAME : NULL;
}

bool handover_is_name(const char *name)
{
        return known_name(name) || strcmp(name, PROBE_NAME) == 0;
}

int handover_passed(struct handover_passed *ret, size_t max, size_t *ret_n)
{
        char **names = NULL;
        int n;

        *ret_n = 0;
        n = sd_listen_fds_with_names(0, &names);
        if (n < 0)
                return fault(n);

        for (int i = 0; i < n; i++) {
                const char *name = known_name(names[i]);

                if (name && *ret_n < max)
                        ret[(*ret_n)++] = (struct handover_passed){ SD_LISTEN_FDS_START + i, name };
                free(names[i]);
        }
        free(names);
        return 0;
}

#include "batch_file.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char magic[4] = "HMB1";

enum { AT_SIZE = 4, AT_NUMBER = 8, AT_CHECK = 16 };

void batch_head_write(char head[BATCH_HEAD_SIZE], const struct batch_record *record) {
    uint32_t size = htole32((uint32_t)record->size);
    uint64_t number = htole64((uint64_t)record->number);
    memcpy(head, magic, sizeof magic);
    memcpy(head + AT_SIZE, &size, sizeof size);
    memcpy(head + AT_NUMBER, &number, sizeof number);
    memcpy(head + AT_CHECK, record->check, BATCH_CHECK_SIZE);
}

bool batch_head_read(const char head[BATCH_HEAD_SIZE], struct batch_record *record) {
    uint32_t size;
    uint64_t number;
    memcpy(&size, head + AT_SIZE, sizeof size);
    memcpy(&number, head + AT_NUMBER, sizeof number);
    memcpy(record->check, head + AT_CHECK, BATCH_CHECK_SIZE);
    record->size = le32toh(size);
    record->number = (int64_t)le64toh(number);
    return memcmp(head, magic, sizeof magic) == 0 && record->size <= BATCH_CHANGES_MAX &&
           record->number > 0;
}

size_t batch_record_read(const char *bytes, size_t length, struct batch_record *record) {
    if (length < BATCH_HEAD_SIZE || !batch_head_read(bytes, record) ||
        record->size > length - BATCH_HEAD_SIZE)
        return 0;
    record->changes = bytes + BATCH_HEAD_SIZE;
    return BATCH_HEAD_SIZE + record->size;
}

EVP_MD_CTX *batch_hash(void) {
    EVP_MD_CTX *hash = EVP_MD_CTX_new();
    if (hash && EVP_DigestInit_ex(hash, EVP_sha256(), NULL) == 1)
        return hash;
    EVP_MD_CTX_free(hash);
    return NULL;
}

bool batch_check(EVP_MD_CTX *hash, uint8_t check[BATCH_CHECK_SIZE],
                 const struct batch_record *record) {
    uint64_t number = htobe64((uint64_t)record->number);
    return EVP_DigestInit_ex(hash, NULL, NULL) == 1 &&
           EVP_DigestUpdate(hash, check, BATCH_CHECK_SIZE) == 1 &&
           EVP_DigestUpdate(hash, &number, sizeof number) == 1 &&
           EVP_DigestUpdate(hash, record->changes, record->size) == 1 &&
           EVP_DigestFinal_ex(hash, check, NULL) == 1;
}

void batch_files_name(struct batch_files *files, const char *database) {
    static const char *const ends[BATCH_FILES] = {"-log", "-log.old"};
    for (int i = 0; i < BATCH_FILES; i++)
        snprintf(files->path[i], sizeof files->path[i], "%s%s", database, ends[i]);
}

int batch_file_open(const char *path, int flags) {
    struct stat info;
    int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return -1;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_uid == geteuid() &&
        info.st_nlink <= 1)
        return fd;
    close(fd);
    errno = EPERM;
    return -1;
}

size_t batch_file_read(int fd, char *to, size_t size, off_t at) {
    size_t done = 0;
    while (done < size) {
        ssize_t part = pread(fd, to + done, size - done, at + (off_t)done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part <= 0)
            break;
        done += (size_t)part;
    }
    return done;
}

bool batch_file_find(int fd, int64_t number, struct batch_place *place) {
    struct stat info;
    char head[BATCH_HEAD_SIZE];
    struct batch_record record;
    *place = (struct batch_place){0};
    if (fstat(fd, &info) != 0)
        return false;
    while (batch_file_read(fd, head, sizeof head, place->end) == sizeof head &&
           batch_head_read(head, &record)) {
        bool next = place->end == 0 || record.number == place->number + 1;
        memcpy(place->before, place->check, BATCH_CHECK_SIZE);
        memcpy(place->check, record.check, BATCH_CHECK_SIZE);
        place->number = record.number;
        place->at = place->end;
        place->end += BATCH_HEAD_SIZE + (off_t)record.size;
        if (!next || place->number >= number || place->end > info.st_size)
            return next && place->number == number && place->end <= info.st_size;
    }
    return false;
}

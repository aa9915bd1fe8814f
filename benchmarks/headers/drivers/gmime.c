/* GMime 3 as a whole parser of messages, then the addresses of the field that RFC 4407 2 selects.
 *
 * gmime FOLDER ANSWERS PASSES: as every driver here (see drivers/__init__.py).
 * From and Sender are read by GMime while it parses; only Resent- fields are parsed here. */
#include <gmime/gmime.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

typedef struct {
    char *octets;
    uint32_t length;
} section_t;

enum { NONE, RESENT_SENDER, RESENT_FROM, SENDER, FROM, TRACE };
static const char *const names[] = {"-", "resent-sender", "resent-from", "sender", "from"};

typedef struct {
    int field;
    char *mailbox; /* g_free() */
} answer_t;

static section_t *sections;
static size_t count;
static double octets_seen; /* so that no pass can be optimised away */

static void die(const char *what) {
    perror(what);
    exit(1);
}

static void read_sections(const char *folder) {
    char *path = g_build_filename(folder, "sections.bin", NULL);
    FILE *stream = fopen(path, "rb");
    uint32_t length;
    size_t room = 0;
    if (!stream) die(path);
    while (fread(&length, sizeof length, 1, stream) == 1) { /* a little-endian machine, as x86 is */
        if (count == room) {
            room = room ? room * 2 : 1024;
            sections = realloc(sections, room * sizeof *sections);
            if (!sections) die("realloc");
        }
        char *octets = malloc(length + 1);
        if (!octets || fread(octets, 1, length, stream) != length) die(path);
        sections[count++] = (section_t){octets, length};
    }
    fclose(stream);
    g_free(path);
}

static int kind_of(const char *name) {
    switch (strlen(name)) {
    case 4: return strcasecmp(name, "from") ? NONE : FROM;
    case 6: return strcasecmp(name, "sender") ? NONE : SENDER;
    case 8: return strcasecmp(name, "received") ? NONE : TRACE;
    case 11:
        if (!strcasecmp(name, "resent-from")) return RESENT_FROM;
        return strcasecmp(name, "return-path") ? NONE : TRACE;
    case 13: return strcasecmp(name, "resent-sender") ? NONE : RESENT_SENDER;
    default: return NONE;
    }
}

static bool is_empty(const char *value) { return !value[strspn(value, " \t\r\n")]; }

/* The field that RFC 4407 2 selects, or NONE; *raw is its value. */
static int select_field(GMimeHeaderList *headers, const char **raw) {
    const char *resent_from = NULL;
    int senders = 0, authors = 0, n = g_mime_header_list_get_count(headers);
    for (int i = 0; i < n; i++) {
        GMimeHeader *header = g_mime_header_list_get_header_at(headers, i);
        int kind = kind_of(g_mime_header_get_name(header));
        if (kind == NONE) continue;
        if (kind == TRACE) {
            if (resent_from) break; /* step 1: what stands below belongs to an older block */
            continue;
        }
        *raw = g_mime_header_get_raw_value(header);
        if (is_empty(*raw)) continue;
        if (kind == RESENT_SENDER) return RESENT_SENDER;
        if (kind == RESENT_FROM && !resent_from) resent_from = *raw;
        senders += kind == SENDER;
        authors += kind == FROM;
    }
    if (resent_from) {
        *raw = resent_from;
        return RESENT_FROM;
    }
    if (senders) return senders == 1 ? SENDER : NONE;
    return authors == 1 ? FROM : NONE;
}

/* Step 5: the one mailbox with a domain. */
static char *mailbox_in(InternetAddressList *list) {
    if (!list || internet_address_list_length(list) != 1) return NULL;
    InternetAddress *address = internet_address_list_get_address(list, 0);
    if (!INTERNET_ADDRESS_IS_MAILBOX(address)) return NULL;
    const char *text = internet_address_mailbox_get_addr(INTERNET_ADDRESS_MAILBOX(address));
    const char *at = text ? strrchr(text, '@') : NULL;
    return at && at[1] && at[1] != '[' ? g_strdup(text) : NULL;
}

static answer_t pra_of(const section_t *section, GMimeParserOptions *options) {
    answer_t answer = {NONE, NULL};
    GMimeStream *stream = g_mime_stream_mem_new_with_buffer(section->octets, section->length);
    GMimeParser *parser = g_mime_parser_new_with_stream(stream);
    GMimeMessage *message = g_mime_parser_construct_message(parser, options);
    if (message) {
        const char *raw;
        answer.field = select_field(g_mime_object_get_header_list(GMIME_OBJECT(message)), &raw);
        if (answer.field == SENDER) {
            answer.mailbox = mailbox_in(g_mime_message_get_sender(message));
        } else if (answer.field == FROM) {
            answer.mailbox = mailbox_in(g_mime_message_get_from(message));
        } else if (answer.field != NONE) {
            InternetAddressList *list = internet_address_list_parse(options, raw);
            answer.mailbox = mailbox_in(list);
            if (list) g_object_unref(list);
        }
        g_object_unref(message);
    }
    g_object_unref(parser);
    g_object_unref(stream);
    return answer;
}

static double seconds(clockid_t clock) {
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static long peak_rss_kib(void) {
    long kib = 0;
    char line[256];
    FILE *status = fopen("/proc/self/status", "r");
    while (status && fgets(line, sizeof line, status))
        if (sscanf(line, "VmHWM: %ld", &kib) == 1) break;
    if (status) fclose(status);
    return kib;
}

static void print_list(const char *name, const double *values, int n) {
    printf(",\"%s\":[", name);
    for (int i = 0; i < n; i++) printf("%s%.9f", i ? "," : "", values[i]);
    putchar(']');
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: gmime FOLDER ANSWERS PASSES\n"), 2;
    g_mime_init();
    GMimeParserOptions *options = g_mime_parser_options_get_default();
    read_sections(argv[1]);
    int passes = atoi(argv[3]);

    FILE *answers = fopen(argv[2], "w");
    if (!answers) die(argv[2]);
    for (size_t i = 0; i < count; i++) {
        answer_t answer = pra_of(&sections[i], options);
        fprintf(answers, "%s ", names[answer.field]);
        if (!answer.mailbox) putc('-', answers);
        for (const char *p = answer.mailbox; p && *p; p++) fprintf(answers, "%02x", (uint8_t)*p);
        putc('\n', answers);
        g_free(answer.mailbox);
    }
    fclose(answers);

    double cpu[passes + 1], wall[passes + 1];
    for (int pass = 0; pass < passes; pass++) {
        double wall_start = seconds(CLOCK_MONOTONIC), cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < count; i++) {
            answer_t answer = pra_of(&sections[i], options);
            octets_seen += answer.mailbox ? strlen(answer.mailbox) : 0;
            g_free(answer.mailbox);
        }
        cpu[pass] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        wall[pass] = seconds(CLOCK_MONOTONIC) - wall_start;
    }
    printf("{\"peer\":\"gmime\",\"version\":\"%u.%u.%u\",\"checks\":%zu", gmime_major_version, gmime_minor_version,
           gmime_micro_version, count);
    print_list("cpu_seconds", cpu, passes);
    print_list("wall_seconds", wall, passes);
    printf(",\"rss_kib\":%ld}\n", peak_rss_kib());
    return octets_seen < 0;
}

/* libspf2: answers known, with a hash table as a DNS layer of its own; or cold, with the library's own resolver and
 * a cache of its own in each thread, as its documentation has it (a server must not be shared by threads).
 *
 * libspf2 DATA VERDICTS PASSES | libspf2 DATA VERDICTS cold PORT TASKS CHECKS: as every driver here (see
 * drivers/__init__.py). The library frees the answers that it gets, so each look-up hands it a copy. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dlfcn.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <resolv.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <spf2/spf.h>
#include <spf2/spf_dns.h>

enum { A, AAAA, MX, TXT, TYPES };

typedef struct {
    char *name;
    SPF_dns_rr_t *answers[TYPES];
} node_t;

typedef struct {
    char *ip, *helo, *mail_from;
} connection_t;

static node_t *slots; /* far more than names, so that probes are short */
static uint32_t slot_count;

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* The node of a name, or the empty slot where it would go (FNV-1a, linear probing). */
static node_t *node_of(const char *name) {
    uint32_t hash = 2166136261u;
    for (const char *p = name; *p; p++) hash = (hash ^ (uint8_t)(*p | 0x20)) * 16777619u;
    uint32_t i = (hash ^ hash >> 15) & (slot_count - 1);
    while (slots[i].name && strcasecmp(slots[i].name, name)) i = (i + 1) & (slot_count - 1);
    return &slots[i];
}

static int index_of(ns_type type) {
    switch (type) {
    case ns_t_a: return A;
    case ns_t_aaaa: return AAAA;
    case ns_t_mx: return MX;
    case ns_t_txt: return TXT;
    default: return -1;
    }
}

static SPF_dns_rr_t *look_up(SPF_dns_server_t *layer, const char *name, ns_type type, int cache) {
    (void)cache;
    node_t *node = node_of(name);
    int i = index_of(type);
    SPF_dns_rr_t *answer = node->name && i >= 0 ? node->answers[i] : NULL, *copy = NULL;
    if (!answer) return SPF_dns_rr_new_init(layer, name, type, 300, node->name ? NO_DATA : HOST_NOT_FOUND);
    SPF_dns_rr_dup(&copy, answer);
    return copy;
}

static SPF_dns_server_t layer = {.lookup = look_up, .name = "known"};

static void add(const char *name, const char *type, const char *value) {
    static const struct { const char *text; ns_type type; } types[TYPES] = {
        {"A", ns_t_a}, {"AAAA", ns_t_aaaa}, {"MX", ns_t_mx}, {"TXT", ns_t_txt}};
    int i = 0;
    while (i < TYPES && strcmp(types[i].text, type)) i++;
    if (i == TYPES) die(type);
    node_t *node = node_of(name);
    if (!node->name) node->name = strdup(name);
    SPF_dns_rr_t **answer = &node->answers[i];
    if (!*answer) *answer = SPF_dns_rr_new_init(&layer, name, types[i].type, 300, NETDB_SUCCESS);
    if (i == MX) value = strchr(value, ' ') + 1; /* libspf2 has no use for the preference */
    size_t size = strlen(value) + 1;
    if (size < sizeof(SPF_dns_rr_data_t)) size = sizeof(SPF_dns_rr_data_t);
    SPF_dns_rr_buf_realloc(*answer, (*answer)->num_rr, size);
    SPF_dns_rr_data_t *data = (*answer)->rr[(*answer)->num_rr++];
    if (i == A || i == AAAA) {
        if (inet_pton(i == A ? AF_INET : AF_INET6, value, data) != 1) die(value);
    } else {
        strcpy(data->txt, value);
    }
}

/* Calls `row` with the three fields of each line. */
static void each_row(const char *folder, const char *file, void (*row)(char *, char *, char *)) {
    char *path, *line = NULL;
    size_t size = 0;
    if (asprintf(&path, "%s/%s", folder, file) < 0) die(file);
    FILE *stream = fopen(path, "r");
    if (!stream) die(path);
    while (getline(&line, &size, stream) > 0) {
        line[strcspn(line, "\n")] = 0;
        char *second = strchr(line, '\t'), *third = second ? strchr(second + 1, '\t') : NULL;
        if (!third) die(path);
        *second++ = *third++ = 0;
        row(line, second, third);
    }
    fclose(stream);
    free(line);
    free(path);
}

static uint32_t row_count;
static void count_row(char *name, char *type, char *value) { (void)name, (void)type, (void)value, row_count++; }

static void add_row(char *name, char *type, char *value) { add(name, type, value); }

static connection_t *connections;
static size_t count, room;

static void connection_row(char *ip, char *helo, char *mail_from) {
    if (count == room) {
        room = room ? room * 2 : 1024;
        connections = realloc(connections, room * sizeof *connections);
        if (!connections) die("realloc");
    }
    connections[count++] = (connection_t){strdup(ip), strdup(helo), strdup(mail_from)};
}

static const char *check(SPF_server_t *server, const connection_t *c) {
    SPF_request_t *request = SPF_request_new(server);
    SPF_response_t *response = NULL;
    if (strchr(c->ip, ':')) SPF_request_set_ipv6_str(request, c->ip);
    else SPF_request_set_ipv4_str(request, c->ip);
    SPF_request_set_helo_dom(request, c->helo);
    SPF_request_set_env_from(request, c->mail_from);
    SPF_request_query_mailfrom(request, &response);
    SPF_result_t result = SPF_response_result(response);
    const char *word = SPF_strresult(result);
    if (result == SPF_RESULT_INVALID) /* an error that the library leaves to the caller to name */
        word = SPF_response_errcode(response) == SPF_E_DNS_ERROR ? "temperror" : "permerror";
    SPF_response_free(response);
    SPF_request_free(request);
    return word;
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

/* ---- Cold ---- */

static uint16_t port;
static _Atomic size_t next_row;
static const char **words;

/* The library asks whom /etc/resolv.conf names, at port 53; so what it calls to find out is given our server. */
int __res_ninit(res_state state) {
    int (*real)(res_state) = (int (*)(res_state))dlsym(RTLD_NEXT, "__res_ninit");
    int outcome = real(state);
    state->nscount = 1;
    state->retrans = 2;
    state->retry = 3;
    memset(&state->nsaddr_list[0], 0, sizeof state->nsaddr_list[0]);
    state->nsaddr_list[0].sin_family = AF_INET;
    state->nsaddr_list[0].sin_port = htons(port);
    state->nsaddr_list[0].sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return outcome;
}

static void *work(void *unused) {
    SPF_server_t *server = SPF_server_new(SPF_DNS_CACHE, 0);
    if (!server) die("SPF_server_new");
    for (size_t row; (row = next_row++) < count;) words[row] = check(server, &connections[row]);
    SPF_server_free(server);
    return unused;
}

static void check_cold(int tasks) {
    pthread_t threads[tasks];
    for (int i = 0; i < tasks; i++)
        if (pthread_create(&threads[i], NULL, work, NULL)) die("pthread_create");
    for (int i = 0; i < tasks; i++) pthread_join(threads[i], NULL);
}

static void check_known(SPF_server_t *server) {
    for (size_t i = 0; i < count; i++) words[i] = check(server, &connections[i]);
}

/* ---- The run ---- */

static void silent(const char *file, int line, const char *text) { (void)file, (void)line, (void)text; }

static void write_words(const char *path) {
    FILE *verdicts = fopen(path, "w");
    if (!verdicts) die(path);
    for (size_t i = 0; i < count; i++) fprintf(verdicts, "%s\n", words[i]);
    fclose(verdicts);
}

/* What only loading needed goes back, and the peak is counted from here. */
static void free_what_loading_took(void) {
    malloc_trim(0);
    FILE *peak = fopen("/proc/self/clear_refs", "w");
    if (peak) fputs("5", peak), fclose(peak);
}

int main(int argc, char **argv) {
    bool cold = argc == 7 && !strcmp(argv[3], "cold");
    if (argc != 4 && !cold) return fprintf(stderr, "usage: libspf2 DATA VERDICTS PASSES|cold PORT TASKS CHECKS\n"), 2;
    SPF_warning_handler = SPF_info_handler = SPF_debug_handler = silent;
    SPF_server_t *server = NULL;
    each_row(argv[1], "connections.tsv", connection_row);
    int passes = 1, tasks = 1;
    if (cold) {
        port = (uint16_t)atoi(argv[4]);
        tasks = atoi(argv[5]);
        if ((size_t)atol(argv[6]) < count) count = (size_t)atol(argv[6]);
    } else {
        passes = atoi(argv[3]);
        each_row(argv[1], "zone.tsv", count_row);
        for (slot_count = 1024; slot_count < 4 * row_count;) slot_count *= 2;
        slots = calloc(slot_count, sizeof *slots);
        if (!slots) die("calloc");
        each_row(argv[1], "zone.tsv", add_row);
        server = SPF_server_new_dns(&layer, 0);
    }
    words = calloc(count, sizeof *words);
    if (!words) die("calloc");
    if (!cold) {
        check_known(server);
        write_words(argv[2]);
    }
    free_what_loading_took();

    double cpu[passes + 1], wall[passes + 1];
    for (int pass = 0; pass < passes; pass++) {
        double wall_start = seconds(CLOCK_MONOTONIC), cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        if (cold) check_cold(tasks);
        else check_known(server);
        cpu[pass] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        wall[pass] = seconds(CLOCK_MONOTONIC) - wall_start;
    }
    if (cold) write_words(argv[2]);
    int major, minor, patch;
    SPF_get_lib_version(&major, &minor, &patch);
    printf("{\"peer\":\"libspf2\",\"version\":\"%d.%d.%d\",\"checks\":%zu", major, minor, patch, count);
    print_list("cpu_seconds", cpu, passes);
    print_list("wall_seconds", wall, passes);
    printf(",\"rss_kib\":%ld}\n", peak_rss_kib());
    return 0;
}

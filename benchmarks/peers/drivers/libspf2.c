/* libspf2 with every answer in a hash table, as a DNS layer of its own.
 *
 * libspf2 DATA VERDICTS PASSES: as every driver here (see drivers/__init__.py).
 * The library frees the answers that it gets, so each look-up hands it a copy. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netdb.h>
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

#define SLOTS (1u << 18) /* far more than names, so that probes are short */
static node_t slots[SLOTS];

static void die(const char *what) {
    perror(what);
    exit(1);
}

/* The node of a name, or the empty slot where it would go (FNV-1a, linear probing). */
static node_t *node_of(const char *name) {
    uint32_t hash = 2166136261u;
    for (const char *p = name; *p; p++) hash = (hash ^ (uint8_t)(*p | 0x20)) * 16777619u;
    uint32_t i = (hash ^ hash >> 15) % SLOTS;
    while (slots[i].name && strcasecmp(slots[i].name, name)) i = (i + 1) % SLOTS;
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

static void silent(const char *file, int line, const char *text) { (void)file, (void)line, (void)text; }

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "usage: libspf2 DATA VERDICTS PASSES\n"), 2;
    SPF_warning_handler = SPF_info_handler = SPF_debug_handler = silent;
    each_row(argv[1], "zone.tsv", add_row);
    each_row(argv[1], "connections.tsv", connection_row);
    int passes = atoi(argv[3]);
    SPF_server_t *server = SPF_server_new_dns(&layer, 0);

    FILE *verdicts = fopen(argv[2], "w");
    if (!verdicts) die(argv[2]);
    for (size_t i = 0; i < count; i++) fprintf(verdicts, "%s\n", check(server, &connections[i]));
    fclose(verdicts);

    double cpu[passes + 1], wall[passes + 1];
    for (int pass = 0; pass < passes; pass++) {
        double wall_start = seconds(CLOCK_MONOTONIC), cpu_start = seconds(CLOCK_PROCESS_CPUTIME_ID);
        for (size_t i = 0; i < count; i++) check(server, &connections[i]);
        cpu[pass] = seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu_start;
        wall[pass] = seconds(CLOCK_MONOTONIC) - wall_start;
    }
    int major, minor, patch;
    SPF_get_lib_version(&major, &minor, &patch);
    printf("{\"peer\":\"libspf2\",\"version\":\"%d.%d.%d\",\"checks\":%zu", major, minor, patch, count);
    print_list("cpu_seconds", cpu, passes);
    print_list("wall_seconds", wall, passes);
    printf(",\"rss_kib\":%ld}\n", peak_rss_kib());
    return 0;
}

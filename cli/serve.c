/* serve.c — brink serve: OpenAI-style HTTP on this machine. docs/serve.md says what is there. */
#include "serve.h"

#include "files.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct serve_options {
    common_options common;
    text_list models;
    server *server;
    const char *host;
    uint64_t port;
    uint32_t sessions, waiting, context;
    uint64_t body;
} serve_options;

static volatile sig_atomic_t stopped;

static void note_stop(int signal_number)
{
    (void)signal_number;
    stopped = 1;
}

/* Once more and the process ends as usual. */
static void watch_signals(void)
{
    struct sigaction stop = {.sa_handler = note_stop, .sa_flags = (int)SA_RESETHAND};
    sigemptyset(&stop.sa_mask);
    sigaction(SIGINT, &stop, NULL);
    sigaction(SIGTERM, &stop, NULL);
    signal(SIGPIPE, SIG_IGN);
}

/* ── Models ── */

/* "NAME=PATH", or a path whose last part is the name. */
static char *split_name(const char *argument, const char **path)
{
    const char *equals = strchr(argument, '='), *slash = strchr(argument, '/');
    *path = argument;
    if (equals && equals > argument && (!slash || equals < slash)) {
        char *id = cli_copy(argument);
        id[equals - argument] = 0;
        *path = equals + 1;
        return id;
    }
    char *whole = realpath(argument, NULL);
    char *id = cli_copy(cli_path_base(whole ? whole : argument));
    free(whole);
    return id;
}

static int load_model(server *s, const serve_options *o, const char *argument)
{
    served m = {0};
    const char *path;
    m.id = split_name(argument, &path);
    int status =
        api_model(s, m.id)
            ? cli_fail(EXIT_USAGE, "brink: serve: two models are named %s; give NAME=PATH", m.id)
            : cli_engine_load(&s->engine, path, &(brink_model_desc){.exact = o->common.exact});
    if (status != EXIT_DONE) {
        free(m.id);
        return status;
    }
    m.model = s->engine.model;
    s->engine.model = NULL;
    brink_model_get_facts(m.model, &m.facts);
    m.context = m.facts.context;
    if (o->context && (!m.context || o->context < m.context))
        m.context = o->context;
    m.slot_count = m.facts.language_model ? o->sessions : 1;
    m.slots = cli_alloc(m.slot_count, sizeof *m.slots);
    s->models = cli_grow(s->models, s->model_count + 1u, sizeof *s->models);
    s->models[s->model_count++] = m;
    if (!m.facts.language_model && !m.facts.embedder)
        return cli_fail(EXIT_INPUT, "%s: is neither a language model nor one of embeddings", path);
    return EXIT_DONE;
}

static void unload_models(server *s)
{
    for (uint32_t i = 0; i < s->model_count; i++) {
        served *m = &s->models[i];
        for (uint32_t k = 0; k < m->slot_count; k++)
            cli_cache_free(&m->slots[k].cache);
        brink_model_destroy(m->model);
        free(m->slots);
        free(m->id);
    }
    free(s->models);
    free(s->jobs);
}

/* ── The loop ── */

static int announce(const server *s, const http *h, bool json)
{
    output out;
    cli_output_begin(&out, json);
    cli_put_text(&out, out.root, "url", http_url(h));
    yyjson_mut_val *models = cli_put_array(&out, out.root, "models");
    for (uint32_t i = 0; i < s->model_count; i++)
        cli_add_text(&out, models, s->models[i].id, strlen(s->models[i].id));
    fprintf(stderr, "listening on %s\n", http_url(h));
    return cli_output_print(&out, EXIT_DONE);
}

static int serve(server *s, const serve_options *o)
{
    http *h;
    int status = http_open(s, o->host, (uint16_t)o->port, &h);
    if (status != EXIT_DONE)
        return status;
    watch_signals();
    status = announce(s, h, o->common.json);
    while (!stopped && status == EXIT_DONE) {
        job *moved = jobs_step(s);
        if (moved)
            http_notify(h, moved);
        http_run(h, moved ? 0 : 200);
        http_watch(h);
    }
    http_close(h);
    return status;
}

int cli_serve_main(const command *c, int argc, char **argv)
{
    server s = {.started = (int64_t)time(NULL)};
    serve_options o = {
        .host = "127.0.0.1", .port = 8080, .sessions = 4, .waiting = 32, .body = 16 << 20};
    int status;
    const option table[] = {
        {"--host", OPTION_TEXT, &o.host, "ADDRESS", "where to listen (127.0.0.1)"},
        {"--port", OPTION_INTEGER, &o.port, "N", "8080; 0: a free one"},
        {"--open", OPTION_FLAG, &s.open, NULL, "other machines may ask too; there is no password"},
        {"--allow-origin", OPTION_LIST, &s.origins, "ORIGIN",
         "a web page that may ask; repeatable"},
        {"--sessions", OPTION_COUNT, &o.sessions, "N", "replies of a model made at once (4)"},
        {"--waiting", OPTION_COUNT, &o.waiting, "N", "requests that may wait beyond those (32)"},
        {"--context", OPTION_COUNT, &o.context, "N", "most tokens of a session (the model's)"},
        {"--body", OPTION_BYTES, &o.body, "BYTES", "most bytes of a request (16M)"},
        {0},
    };
    if (cli_options_parse(c, argc, argv, table, &o.common, &o.models, &status)) {
        s.quiet = o.common.quiet;
        s.most_waiting = o.waiting;
        s.most_bytes = o.body;
        if (o.models.count == 0)
            status = cli_usage_error(c, "give a model");
        else if (o.port > UINT16_MAX)
            status = cli_usage_error(c, "--port is at most 65535");
        else if (o.body > 256 << 20)
            status = cli_usage_error(c, "--body is at most 256M");
        else
            status = cli_engine_open(&s.engine, &o.common);
        for (uint32_t i = 0; i < o.models.count && status == EXIT_DONE; i++)
            status = load_model(&s, &o, o.models.items[i]);
        if (status == EXIT_DONE)
            status = serve(&s, &o);
        unload_models(&s);
        cli_engine_close(&s.engine);
    }
    cli_text_list_free(&o.models);
    cli_text_list_free(&s.origins);
    return status;
}

# Owns: the few functions of libssl that a client needs, bound at run time from a library that is already on the
# machine. Never: headers or a library at build time, so that building needs only a C compiler.

cdef extern from *:
    """
    #include <dlfcn.h>
    #include <stddef.h>

    typedef struct ssl_st SSL;
    typedef struct ssl_ctx_st SSL_CTX;

    enum {
        SL_SSL_ERROR_SSL = 1, SL_SSL_WANT_READ = 2, SL_SSL_WANT_WRITE = 3, SL_SSL_SYSCALL = 5, SL_SSL_ZERO_RETURN = 6,
        SL_SSL_MODE = 33, SL_SSL_SNI = 55, SL_SSL_MIN_PROTO = 123, SL_SSL_VERIFY_PEER = 1, SL_SSL_PEM = 1,
        SL_SSL_PARTIAL_WRITE_AND_MOVING_BUFFER = 3
    };

    #define SL_SSL_TABLE(X) \\
        X(const void *, TLS_client_method, (void)) \\
        X(SSL_CTX *, SSL_CTX_new, (const void *)) \\
        X(void, SSL_CTX_free, (SSL_CTX *)) \\
        X(long, SSL_CTX_ctrl, (SSL_CTX *, int, long, void *)) \\
        X(void, SSL_CTX_set_verify, (SSL_CTX *, int, void *)) \\
        X(int, SSL_CTX_load_verify_locations, (SSL_CTX *, const char *, const char *)) \\
        X(int, SSL_CTX_set_default_verify_paths, (SSL_CTX *)) \\
        X(int, SSL_CTX_use_certificate_chain_file, (SSL_CTX *, const char *)) \\
        X(int, SSL_CTX_use_PrivateKey_file, (SSL_CTX *, const char *, int)) \\
        X(int, SSL_CTX_check_private_key, (const SSL_CTX *)) \\
        X(void, SSL_CTX_set_default_passwd_cb, (SSL_CTX *, int (*)(char *, int, int, void *))) \\
        X(int, SSL_CTX_set_alpn_protos, (SSL_CTX *, const unsigned char *, unsigned int)) \\
        X(SSL *, SSL_new, (SSL_CTX *)) \\
        X(void, SSL_free, (SSL *)) \\
        X(int, SSL_set_fd, (SSL *, int)) \\
        X(long, SSL_ctrl, (SSL *, int, long, void *)) \\
        X(int, SSL_set1_host, (SSL *, const char *)) \\
        X(void *, SSL_get0_param, (SSL *)) \\
        X(int, X509_VERIFY_PARAM_set1_ip_asc, (void *, const char *)) \\
        X(int, SSL_connect, (SSL *)) \\
        X(int, SSL_read_ex, (SSL *, void *, size_t, size_t *)) \\
        X(int, SSL_write_ex, (SSL *, const void *, size_t, size_t *)) \\
        X(int, SSL_shutdown, (SSL *)) \\
        X(int, SSL_get_error, (const SSL *, int)) \\
        X(int, SSL_pending, (const SSL *)) \\
        X(const char *, SSL_get_version, (const SSL *)) \\
        X(long, SSL_get_verify_result, (const SSL *)) \\
        X(const char *, X509_verify_cert_error_string, (long)) \\
        X(void, ERR_clear_error, (void)) \\
        X(unsigned long, ERR_get_error, (void)) \\
        X(const char *, ERR_reason_error_string, (unsigned long))

    #define SL_SSL_DECLARE(type, name, arguments) type (*name) arguments;
    typedef struct { SL_SSL_TABLE(SL_SSL_DECLARE) } ossl_t;

    /* The one of _channel; the engine reaches it through the channel. */
    static ossl_t ossl __attribute__((unused));

    /* libssl's own would ask at the terminal and wait. */
    static int sl_ssl_no_password(char *buffer, int size, int writing, void *data) { return -1; }

    static void sl_ssl_never_ask(SSL_CTX *context) { ossl.SSL_CTX_set_default_passwd_cb(context, sl_ssl_no_password); }

    /* Returns NULL when every function was bound, else what is missing. The table is filled only as a whole. */
    static const char *sl_ssl_bind(const char *path) {
        ossl_t found;
        void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
        if (!library) return "it cannot be loaded";
    #define SL_SSL_FIND(type, name, arguments) \\
        if (!(*(void **)(&found.name) = dlsym(library, #name))) { dlclose(library); return #name " is missing"; }
        SL_SSL_TABLE(SL_SSL_FIND)
        ossl = found;
        return NULL;
    }
    """
    ctypedef struct SSL:
        pass
    ctypedef struct SSL_CTX:
        pass
    enum:
        SL_SSL_ERROR_SSL
        SL_SSL_WANT_READ
        SL_SSL_WANT_WRITE
        SL_SSL_SYSCALL
        SL_SSL_ZERO_RETURN
        SL_SSL_MODE
        SL_SSL_SNI
        SL_SSL_MIN_PROTO
        SL_SSL_VERIFY_PEER
        SL_SSL_PEM
        SL_SSL_PARTIAL_WRITE_AND_MOVING_BUFFER
    ctypedef struct ossl_t:
        const void *(*TLS_client_method)() noexcept nogil
        SSL_CTX *(*SSL_CTX_new)(const void *) noexcept nogil
        void (*SSL_CTX_free)(SSL_CTX *) noexcept nogil
        long (*SSL_CTX_ctrl)(SSL_CTX *, int, long, void *) noexcept nogil
        void (*SSL_CTX_set_verify)(SSL_CTX *, int, void *) noexcept nogil
        int (*SSL_CTX_load_verify_locations)(SSL_CTX *, const char *, const char *) noexcept nogil
        int (*SSL_CTX_set_default_verify_paths)(SSL_CTX *) noexcept nogil
        int (*SSL_CTX_use_certificate_chain_file)(SSL_CTX *, const char *) noexcept nogil
        int (*SSL_CTX_use_PrivateKey_file)(SSL_CTX *, const char *, int) noexcept nogil
        int (*SSL_CTX_check_private_key)(const SSL_CTX *) noexcept nogil
        int (*SSL_CTX_set_alpn_protos)(SSL_CTX *, const unsigned char *, unsigned int) noexcept nogil
        SSL *(*SSL_new)(SSL_CTX *) noexcept nogil
        void (*SSL_free)(SSL *) noexcept nogil
        int (*SSL_set_fd)(SSL *, int) noexcept nogil
        long (*SSL_ctrl)(SSL *, int, long, void *) noexcept nogil
        int (*SSL_set1_host)(SSL *, const char *) noexcept nogil
        void *(*SSL_get0_param)(SSL *) noexcept nogil
        int (*X509_VERIFY_PARAM_set1_ip_asc)(void *, const char *) noexcept nogil
        int (*SSL_connect)(SSL *) noexcept nogil
        int (*SSL_read_ex)(SSL *, void *, size_t, size_t *) noexcept nogil
        int (*SSL_write_ex)(SSL *, const void *, size_t, size_t *) noexcept nogil
        int (*SSL_shutdown)(SSL *) noexcept nogil
        int (*SSL_get_error)(const SSL *, int) noexcept nogil
        int (*SSL_pending)(const SSL *) noexcept nogil
        const char *(*SSL_get_version)(const SSL *) noexcept nogil
        long (*SSL_get_verify_result)(const SSL *) noexcept nogil
        const char *(*X509_verify_cert_error_string)(long) noexcept nogil
        void (*ERR_clear_error)() noexcept nogil
        unsigned long (*ERR_get_error)() noexcept nogil
        const char *(*ERR_reason_error_string)(unsigned long) noexcept nogil
    ossl_t ossl
    void sl_ssl_never_ask(SSL_CTX *context) noexcept nogil
    const char *sl_ssl_bind(const char *path) noexcept nogil

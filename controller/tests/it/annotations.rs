//! Every annotation: what it changes, and what is said when it cannot be honoured.

use crate::support::annotated;

#[test]
fn redirects_to_https() {
    insta::assert_snapshot!(annotated(&[
        r#"nginx.ingress.kubernetes.io/ssl-redirect: "true""#,
        r#"nginx.ingress.kubernetes.io/force-ssl-redirect: "true""#,
        r#"haldane.dev/force-ssl-redirect: "1""#,
        r#"nginx.ingress.kubernetes.io/ssl-redirect: "yes""#,
    ]), @r#"
    # nginx.ingress.kubernetes.io/ssl-redirect: "true"
    # nginx.ingress.kubernetes.io/force-ssl-redirect: "true"
    + https-redirect 308
    # haldane.dev/force-ssl-redirect: "1"
    + https-redirect 308
    # nginx.ingress.kubernetes.io/ssl-redirect: "yes"
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/ssl-redirect]: "yes" is neither "true" nor "false"
    "#);
}

#[test]
fn paths() {
    insta::assert_snapshot!(annotated(&[
        r#"nginx.ingress.kubernetes.io/use-regex: "true""#,
        "nginx.ingress.kubernetes.io/rewrite-target: /app",
        "nginx.ingress.kubernetes.io/rewrite-target: /",
        "nginx.ingress.kubernetes.io/rewrite-target: /$1",
        "nginx.ingress.kubernetes.io/rewrite-target: /$uri",
        "nginx.ingress.kubernetes.io/x-forwarded-prefix: /app",
        "nginx.ingress.kubernetes.io/x-forwarded-prefix: app",
        "nginx.ingress.kubernetes.io/upstream-vhost: inner.example.com",
        "nginx.ingress.kubernetes.io/upstream-vhost: inner example",
    ]), @r#"
    # nginx.ingress.kubernetes.io/use-regex: "true"
    - match shop.example.com prefix /
    + match shop.example.com regex / without case
    # nginx.ingress.kubernetes.io/rewrite-target: /app
    - match shop.example.com prefix /
    + match shop.example.com regex / without case
    + rewrite path to /app
    # nginx.ingress.kubernetes.io/rewrite-target: /
    # nginx.ingress.kubernetes.io/rewrite-target: /$1
    - match shop.example.com prefix /
    + warning: web.yaml: Ingress shop/web: spec.rules[0].http.paths[0]: "/" has 0 groups, so "/$1" means "/" here
    + match shop.example.com regex / without case
    + rewrite path to /
    # nginx.ingress.kubernetes.io/rewrite-target: /$uri
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/rewrite-target]: in "/$uri" only $1 to $9 stand for something, no other variable
    # nginx.ingress.kubernetes.io/x-forwarded-prefix: /app
    + request-header set x-forwarded-prefix: /app
    # nginx.ingress.kubernetes.io/x-forwarded-prefix: app
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/x-forwarded-prefix]: "app" is not a path: it starts with '/' and has no blanks, '?' or '#'
    # nginx.ingress.kubernetes.io/upstream-vhost: inner.example.com
    + upstream-host inner.example.com
    # nginx.ingress.kubernetes.io/upstream-vhost: inner example
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/upstream-vhost]: "inner example" is not a host name, perhaps with a port
    "#);
}

#[test]
fn sizes_and_time_limits() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/proxy-body-size: 8m",
        r#"nginx.ingress.kubernetes.io/proxy-body-size: "0""#,
        "nginx.ingress.kubernetes.io/proxy-body-size: 8 MB",
        r#"nginx.ingress.kubernetes.io/proxy-request-buffering: "on""#,
        "nginx.ingress.kubernetes.io/proxy-request-buffering: \"on\"\nnginx.ingress.kubernetes.io/proxy-body-size: 2m",
        r#"nginx.ingress.kubernetes.io/proxy-connect-timeout: "10""#,
        r#"nginx.ingress.kubernetes.io/proxy-read-timeout: "3600""#,
        "nginx.ingress.kubernetes.io/proxy-read-timeout: \"30\"\nnginx.ingress.kubernetes.io/proxy-send-timeout: \"90\"",
        "nginx.ingress.kubernetes.io/proxy-read-timeout: 60s",
        r#"nginx.ingress.kubernetes.io/proxy-send-timeout: "0""#,
        r#"haldane.dev/request-timeout: "15""#,
    ]), @r#"
    # nginx.ingress.kubernetes.io/proxy-body-size: 8m
    + body-bytes-max 8388608
    # nginx.ingress.kubernetes.io/proxy-body-size: "0"
    # nginx.ingress.kubernetes.io/proxy-body-size: 8 MB
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-body-size]: "8 MB" is not a size such as "8m" (units k, m, g)
    # nginx.ingress.kubernetes.io/proxy-request-buffering: "on"
    + body-bytes-max 1048576
    + buffer-request whole
    # nginx.ingress.kubernetes.io/proxy-request-buffering: "on"
    # nginx.ingress.kubernetes.io/proxy-body-size: 2m
    + body-bytes-max 2097152
    + buffer-request whole
    # nginx.ingress.kubernetes.io/proxy-connect-timeout: "10"
    + timeouts connect 10000 ms, response head 60000 ms, idle 60000 ms
    # nginx.ingress.kubernetes.io/proxy-read-timeout: "3600"
    + timeouts connect 1000 ms, response head 3600000 ms, idle 3600000 ms
    # nginx.ingress.kubernetes.io/proxy-read-timeout: "30"
    # nginx.ingress.kubernetes.io/proxy-send-timeout: "90"
    + timeouts connect 1000 ms, response head 30000 ms, idle 90000 ms
    # nginx.ingress.kubernetes.io/proxy-read-timeout: 60s
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-read-timeout]: "60s" is not a number of seconds from 1 to 604800, written without a unit
    # nginx.ingress.kubernetes.io/proxy-send-timeout: "0"
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-send-timeout]: "0" is not a number of seconds from 1 to 604800, written without a unit
    # haldane.dev/request-timeout: "15"
    + timeouts connect 1000 ms, response head 60000 ms, idle 60000 ms, whole 15000 ms
    "#);
}

#[test]
fn protocols() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/backend-protocol: HTTP",
        "nginx.ingress.kubernetes.io/backend-protocol: HTTPS",
        "nginx.ingress.kubernetes.io/backend-protocol: GRPC",
        "nginx.ingress.kubernetes.io/backend-protocol: GRPCS",
        "nginx.ingress.kubernetes.io/backend-protocol: FCGI",
        "nginx.ingress.kubernetes.io/backend-protocol: HTTPS\nnginx.ingress.kubernetes.io/proxy-ssl-verify: \"on\"\n\
         nginx.ingress.kubernetes.io/proxy-ssl-name: inner.example.com\n\
         nginx.ingress.kubernetes.io/proxy-ssl-secret: shop/authority",
        "nginx.ingress.kubernetes.io/proxy-ssl-secret: missing",
    ]), @r#"
    # nginx.ingress.kubernetes.io/backend-protocol: HTTP
    # nginx.ingress.kubernetes.io/backend-protocol: HTTPS
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web https
    + backend shop/web:80 web https by https: 10.0.0.1:8080, 10.0.0.2:8080
    # nginx.ingress.kubernetes.io/backend-protocol: GRPC
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web h2c
    + backend shop/web:80 web h2c by h2c: 10.0.0.1:8080, 10.0.0.2:8080
    # nginx.ingress.kubernetes.io/backend-protocol: GRPCS
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web h2
    + backend shop/web:80 web h2 by h2: 10.0.0.1:8080, 10.0.0.2:8080
    # nginx.ingress.kubernetes.io/backend-protocol: FCGI
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/backend-protocol]: "FCGI" is not one of HTTP, HTTPS, GRPC, GRPCS
    # nginx.ingress.kubernetes.io/backend-protocol: HTTPS
    # nginx.ingress.kubernetes.io/proxy-ssl-verify: "on"
    # nginx.ingress.kubernetes.io/proxy-ssl-name: inner.example.com
    # nginx.ingress.kubernetes.io/proxy-ssl-secret: shop/authority
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + version web weight 1 by backend shop/web:80 web https for web
    + backend shop/web:80 web https for web by https as inner.example.com verified by its own authority: 10.0.0.1:8080, 10.0.0.2:8080
    # nginx.ingress.kubernetes.io/proxy-ssl-secret: missing
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-ssl-secret]: there is no Secret shop/missing
    "#);
}

#[test]
fn networks() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8, 192.168.1.1",
        "nginx.ingress.kubernetes.io/allowlist-source-range: fd00::/8",
        "nginx.ingress.kubernetes.io/allowlist-source-range: 10.0.0.0/8\n\
         nginx.ingress.kubernetes.io/whitelist-source-range: 11.0.0.0/8",
        "nginx.ingress.kubernetes.io/denylist-source-range: 10.1.0.0/16",
        "nginx.ingress.kubernetes.io/whitelist-source-range: office",
        r#"nginx.ingress.kubernetes.io/whitelist-source-range: """#,
    ]), @r#"
    # nginx.ingress.kubernetes.io/whitelist-source-range: 10.0.0.0/8, 192.168.1.1
    + allow 10.0.0.0/8, 192.168.1.1/32
    # nginx.ingress.kubernetes.io/allowlist-source-range: fd00::/8
    + allow fd00::/8
    # nginx.ingress.kubernetes.io/allowlist-source-range: 10.0.0.0/8
    # nginx.ingress.kubernetes.io/whitelist-source-range: 11.0.0.0/8
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/whitelist-source-range]: is overruled by allowlist-source-range
    + allow 10.0.0.0/8
    # nginx.ingress.kubernetes.io/denylist-source-range: 10.1.0.0/16
    + deny 10.1.0.0/16
    # nginx.ingress.kubernetes.io/whitelist-source-range: office
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/whitelist-source-range]: "office" is not an address or network such as "10.0.0.0/8"
    # nginx.ingress.kubernetes.io/whitelist-source-range: ""
    "#);
}

#[test]
fn cors() {
    insta::assert_snapshot!(annotated(&[
        r#"nginx.ingress.kubernetes.io/enable-cors: "true""#,
        "nginx.ingress.kubernetes.io/enable-cors: \"true\"\n\
         nginx.ingress.kubernetes.io/cors-allow-origin: https://*.example.com, https://a.example.org:8443\n\
         nginx.ingress.kubernetes.io/cors-allow-methods: get, PUT\n\
         nginx.ingress.kubernetes.io/cors-allow-headers: X-One, X-Two\n\
         nginx.ingress.kubernetes.io/cors-expose-headers: X-Three\n\
         nginx.ingress.kubernetes.io/cors-allow-credentials: \"false\"\n\
         nginx.ingress.kubernetes.io/cors-max-age: \"600\"",
        r#"nginx.ingress.kubernetes.io/cors-allow-origin: "*""#,
        "nginx.ingress.kubernetes.io/enable-cors: \"true\"\nnginx.ingress.kubernetes.io/cors-allow-origin: example.com",
    ]), @r#"
    # nginx.ingress.kubernetes.io/enable-cors: "true"
    + cors origins * methods GET,PUT,POST,DELETE,PATCH,OPTIONS headers dnt,keep-alive,user-agent,x-requested-with,if-modified-since,cache-control,content-type,range,authorization expose  with credentials for 1728000 s
    # nginx.ingress.kubernetes.io/enable-cors: "true"
    # nginx.ingress.kubernetes.io/cors-allow-origin: https://*.example.com, https://a.example.org:8443
    # nginx.ingress.kubernetes.io/cors-allow-methods: get, PUT
    # nginx.ingress.kubernetes.io/cors-allow-headers: X-One, X-Two
    # nginx.ingress.kubernetes.io/cors-expose-headers: X-Three
    # nginx.ingress.kubernetes.io/cors-allow-credentials: "false"
    # nginx.ingress.kubernetes.io/cors-max-age: "600"
    + cors origins https://*.example.com,https://a.example.org:8443 methods GET,PUT headers x-one,x-two expose x-three without credentials for 600 s
    # nginx.ingress.kubernetes.io/cors-allow-origin: "*"
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/cors-allow-origin]: has no effect without enable-cors: "true"
    # nginx.ingress.kubernetes.io/enable-cors: "true"
    # nginx.ingress.kubernetes.io/cors-allow-origin: example.com
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/cors-allow-origin]: "example.com" is not an origin such as "https://*.example.com"
    "#);
}

#[test]
fn passwords() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/auth-type: basic\nnginx.ingress.kubernetes.io/auth-secret: users",
        "nginx.ingress.kubernetes.io/auth-type: basic\nnginx.ingress.kubernetes.io/auth-secret: shop/user-map\n\
         nginx.ingress.kubernetes.io/auth-secret-type: auth-map\nnginx.ingress.kubernetes.io/auth-realm: Staff",
        "nginx.ingress.kubernetes.io/auth-type: basic",
        "nginx.ingress.kubernetes.io/auth-type: basic\nnginx.ingress.kubernetes.io/auth-secret: missing",
        "nginx.ingress.kubernetes.io/auth-type: basic\nnginx.ingress.kubernetes.io/auth-secret: broken",
        "nginx.ingress.kubernetes.io/auth-type: basic\nnginx.ingress.kubernetes.io/auth-secret: other/users",
        "nginx.ingress.kubernetes.io/auth-type: digest\nnginx.ingress.kubernetes.io/auth-secret: users",
    ]), @r#"
    # nginx.ingress.kubernetes.io/auth-type: basic
    # nginx.ingress.kubernetes.io/auth-secret: users
    + basic-auth realm "Authentication Required", 2 users
    # nginx.ingress.kubernetes.io/auth-type: basic
    # nginx.ingress.kubernetes.io/auth-secret: shop/user-map
    # nginx.ingress.kubernetes.io/auth-secret-type: auth-map
    # nginx.ingress.kubernetes.io/auth-realm: Staff
    + basic-auth realm "Staff", 1 users
    # nginx.ingress.kubernetes.io/auth-type: basic
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-type]: needs auth-secret beside it, which names the Secret with the passwords
    # nginx.ingress.kubernetes.io/auth-type: basic
    # nginx.ingress.kubernetes.io/auth-secret: missing
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]: there is no Secret shop/missing
    # nginx.ingress.kubernetes.io/auth-type: basic
    # nginx.ingress.kubernetes.io/auth-secret: broken
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]: entry 1 of the Secret is not USER:HASH
    # nginx.ingress.kubernetes.io/auth-type: basic
    # nginx.ingress.kubernetes.io/auth-secret: other/users
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-secret]: "other/users" is in another namespace: an Ingress can only use Secrets of its own
    # nginx.ingress.kubernetes.io/auth-type: digest
    # nginx.ingress.kubernetes.io/auth-secret: users
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-type]: "digest" is not "basic"
    "#);
}

#[test]
fn another_service_that_decides() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/auth-url: http://auth.shop.svc.cluster.local/verify",
        "nginx.ingress.kubernetes.io/auth-url: https://$host/oauth2/auth\n\
         nginx.ingress.kubernetes.io/auth-signin: https://$host/oauth2/start?rd=$escaped_request_uri\n\
         nginx.ingress.kubernetes.io/auth-response-headers: X-User, X-Email\n\
         nginx.ingress.kubernetes.io/auth-method: get",
        "nginx.ingress.kubernetes.io/auth-url: http://a.example/$request_uri",
        "nginx.ingress.kubernetes.io/auth-url: auth.example",
        "nginx.ingress.kubernetes.io/auth-url: http://a.example/\nnginx.ingress.kubernetes.io/auth-cache-key: $cookie_x",
    ]), @r#"
    # nginx.ingress.kubernetes.io/auth-url: http://auth.shop.svc.cluster.local/verify
    + external-auth http://auth.shop.svc.cluster.local/verify
    # nginx.ingress.kubernetes.io/auth-url: https://$host/oauth2/auth
    # nginx.ingress.kubernetes.io/auth-signin: https://$host/oauth2/start?rd=$escaped_request_uri
    # nginx.ingress.kubernetes.io/auth-response-headers: X-User, X-Email
    # nginx.ingress.kubernetes.io/auth-method: get
    + external-auth https://shop.example.com/oauth2/auth method GET sign-in https://shop.example.com/oauth2/start?rd={url} copies x-user,x-email
    # nginx.ingress.kubernetes.io/auth-url: http://a.example/$request_uri
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-url]: of nginx's variables only $host is known here, not those of "http://a.example/$request_uri"
    # nginx.ingress.kubernetes.io/auth-url: auth.example
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-url]: "auth.example" is not an http or https URL
    # nginx.ingress.kubernetes.io/auth-url: http://a.example/
    # nginx.ingress.kubernetes.io/auth-cache-key: $cookie_x
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-cache-key]: answers of the authentication service are not cached
    + external-auth http://a.example/
    "#);
}

#[test]
fn session_cookies() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/affinity: cookie",
        "nginx.ingress.kubernetes.io/affinity: cookie\nnginx.ingress.kubernetes.io/affinity-mode: persistent\n\
         nginx.ingress.kubernetes.io/session-cookie-name: sid\n\
         nginx.ingress.kubernetes.io/session-cookie-path: /app\n\
         nginx.ingress.kubernetes.io/session-cookie-domain: .example.com\n\
         nginx.ingress.kubernetes.io/session-cookie-samesite: Lax\n\
         nginx.ingress.kubernetes.io/session-cookie-max-age: \"3600\"\n\
         nginx.ingress.kubernetes.io/session-cookie-secure: \"true\"",
        "nginx.ingress.kubernetes.io/affinity: cookie\nnginx.ingress.kubernetes.io/session-cookie-expires: \"60\"",
        "nginx.ingress.kubernetes.io/affinity: ip",
        "nginx.ingress.kubernetes.io/affinity: cookie\nnginx.ingress.kubernetes.io/session-cookie-path: /a;Domain=x",
        "nginx.ingress.kubernetes.io/affinity: cookie\nnginx.ingress.kubernetes.io/session-cookie-name: a b",
    ]), @r#"
    # nginx.ingress.kubernetes.io/affinity: cookie
    + affinity cookie INGRESSCOOKIE path /
    # nginx.ingress.kubernetes.io/affinity: cookie
    # nginx.ingress.kubernetes.io/affinity-mode: persistent
    # nginx.ingress.kubernetes.io/session-cookie-name: sid
    # nginx.ingress.kubernetes.io/session-cookie-path: /app
    # nginx.ingress.kubernetes.io/session-cookie-domain: .example.com
    # nginx.ingress.kubernetes.io/session-cookie-samesite: Lax
    # nginx.ingress.kubernetes.io/session-cookie-max-age: "3600"
    # nginx.ingress.kubernetes.io/session-cookie-secure: "true"
    + affinity cookie sid path /app domain .example.com same-site Lax max-age 3600 s secure true
    # nginx.ingress.kubernetes.io/affinity: cookie
    # nginx.ingress.kubernetes.io/session-cookie-expires: "60"
    + affinity cookie INGRESSCOOKIE path / max-age 60 s
    # nginx.ingress.kubernetes.io/affinity: ip
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/affinity]: "ip" is not "cookie"
    # nginx.ingress.kubernetes.io/affinity: cookie
    # nginx.ingress.kubernetes.io/session-cookie-path: /a;Domain=x
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/session-cookie-path]: "/a;Domain=x" is not the path of a cookie: it holds ';'
    # nginx.ingress.kubernetes.io/affinity: cookie
    # nginx.ingress.kubernetes.io/session-cookie-name: a b
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/session-cookie-name]: "a b" is not a cookie name
    "#);
}

#[test]
fn rates() {
    insta::assert_snapshot!(annotated(&[
        r#"nginx.ingress.kubernetes.io/limit-rps: "10""#,
        "nginx.ingress.kubernetes.io/limit-rpm: \"60\"\nnginx.ingress.kubernetes.io/limit-connections: \"4\"\n\
         nginx.ingress.kubernetes.io/limit-burst-multiplier: \"2\"\n\
         nginx.ingress.kubernetes.io/limit-whitelist: 10.0.0.0/8",
        r#"nginx.ingress.kubernetes.io/limit-rps: "0""#,
        r#"nginx.ingress.kubernetes.io/limit-rps: "-1""#,
        r#"nginx.ingress.kubernetes.io/limit-rate: "100""#,
    ]), @r#"
    # nginx.ingress.kubernetes.io/limit-rps: "10"
    + rate 10 per second, 5 times at once
    # nginx.ingress.kubernetes.io/limit-rpm: "60"
    # nginx.ingress.kubernetes.io/limit-connections: "4"
    # nginx.ingress.kubernetes.io/limit-burst-multiplier: "2"
    # nginx.ingress.kubernetes.io/limit-whitelist: 10.0.0.0/8
    + rate 60 per minute, 2 times at once, 4 connections, not 10.0.0.0/8
    # nginx.ingress.kubernetes.io/limit-rps: "0"
    # nginx.ingress.kubernetes.io/limit-rps: "-1"
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/limit-rps]: "-1" is not a whole number from 0 to 1000000
    # nginx.ingress.kubernetes.io/limit-rate: "100"
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/limit-rate]: is not supported by this version and has no effect
    "#);
}

#[test]
fn redirects() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/permanent-redirect: https://new.example.com/",
        "nginx.ingress.kubernetes.io/permanent-redirect: https://new.example.com$request_uri\n\
         nginx.ingress.kubernetes.io/permanent-redirect-code: \"308\"",
        "nginx.ingress.kubernetes.io/temporal-redirect: https://new.example.com/",
        "nginx.ingress.kubernetes.io/temporal-redirect: https://a.example/\n\
         nginx.ingress.kubernetes.io/permanent-redirect: https://b.example/",
        "nginx.ingress.kubernetes.io/permanent-redirect: /new",
        "nginx.ingress.kubernetes.io/permanent-redirect: https://a.example/\n\
         nginx.ingress.kubernetes.io/permanent-redirect-code: \"200\"",
        "nginx.ingress.kubernetes.io/app-root: /start",
        "nginx.ingress.kubernetes.io/app-root: start",
        r#"nginx.ingress.kubernetes.io/from-to-www-redirect: "true""#,
        "nginx.ingress.kubernetes.io/server-alias: old.example.com, *.example.org",
        "nginx.ingress.kubernetes.io/server-alias: ~^www\\d+\\.example\\.com$",
    ]), @r#"
    # nginx.ingress.kubernetes.io/permanent-redirect: https://new.example.com/
    - rule shop/web shop.example.com/ (Prefix) for Service web
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + rule shop/web shop.example.com/ (Prefix)
    + redirect 301 to https://new.example.com/
    # nginx.ingress.kubernetes.io/permanent-redirect: https://new.example.com$request_uri
    # nginx.ingress.kubernetes.io/permanent-redirect-code: "308"
    - rule shop/web shop.example.com/ (Prefix) for Service web
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + rule shop/web shop.example.com/ (Prefix)
    + redirect 308 scheme https host new.example.com
    # nginx.ingress.kubernetes.io/temporal-redirect: https://new.example.com/
    - rule shop/web shop.example.com/ (Prefix) for Service web
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + rule shop/web shop.example.com/ (Prefix)
    + redirect 302 to https://new.example.com/
    # nginx.ingress.kubernetes.io/temporal-redirect: https://a.example/
    # nginx.ingress.kubernetes.io/permanent-redirect: https://b.example/
    - rule shop/web shop.example.com/ (Prefix) for Service web
    - version web weight 1 by backend shop/web:80 web
    - backend shop/web:80 web by http: 10.0.0.1:8080, 10.0.0.2:8080
    + rule shop/web shop.example.com/ (Prefix)
    + redirect 302 to https://a.example/
    # nginx.ingress.kubernetes.io/permanent-redirect: /new
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/permanent-redirect]: "/new" is not an http or https URL
    # nginx.ingress.kubernetes.io/permanent-redirect: https://a.example/
    # nginx.ingress.kubernetes.io/permanent-redirect-code: "200"
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/permanent-redirect-code]: "200" is not one of 301, 302, 303, 307, 308
    # nginx.ingress.kubernetes.io/app-root: /start
    + rule shop/web shop.example.com/ (app-root)
    + match shop.example.com exact /
    + redirect 302 path /start
    # nginx.ingress.kubernetes.io/app-root: start
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/app-root]: "start" is not a path: it starts with '/' and has no blanks, '?' or '#'
    # nginx.ingress.kubernetes.io/from-to-www-redirect: "true"
    + rule shop/web www.shop.example.com/ (www)
    + match www.shop.example.com prefix /
    + redirect 308 host shop.example.com
    # nginx.ingress.kubernetes.io/server-alias: old.example.com, *.example.org
    + match old.example.com prefix /
    + match *.example.org prefix /
    # nginx.ingress.kubernetes.io/server-alias: ~^www\d+\.example\.com$
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/server-alias]: "~^www\\d+\\.example\\.com$" is a regular expression; only host names can be served
    "#);
}

#[test]
fn endpoints_and_second_tries() {
    insta::assert_snapshot!(annotated(&[
        "nginx.ingress.kubernetes.io/load-balance: round_robin",
        "nginx.ingress.kubernetes.io/load-balance: ewma",
        "nginx.ingress.kubernetes.io/load-balance: sticky",
        "nginx.ingress.kubernetes.io/upstream-hash-by: $remote_addr",
        "nginx.ingress.kubernetes.io/upstream-hash-by: ${cookie_sid}$arg_a-$http_x_b",
        "nginx.ingress.kubernetes.io/upstream-hash-by: $server_name",
        r#"nginx.ingress.kubernetes.io/proxy-next-upstream: "off""#,
        "nginx.ingress.kubernetes.io/proxy-next-upstream: error timeout http_502",
        "nginx.ingress.kubernetes.io/proxy-next-upstream: whatever",
        r#"nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "2""#,
        r#"nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "0""#,
        r#"nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "11""#,
    ]), @r#"
    # nginx.ingress.kubernetes.io/load-balance: round_robin
    + balance round robin
    # nginx.ingress.kubernetes.io/load-balance: ewma
    # nginx.ingress.kubernetes.io/load-balance: sticky
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/load-balance]: "sticky" is not one of round_robin, ewma
    # nginx.ingress.kubernetes.io/upstream-hash-by: $remote_addr
    + balance hash of source-ip
    # nginx.ingress.kubernetes.io/upstream-hash-by: ${cookie_sid}$arg_a-$http_x_b
    + balance hash of cookie sid, query a, "-", header x-b
    # nginx.ingress.kubernetes.io/upstream-hash-by: $server_name
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/upstream-hash-by]: the variable "server_name" is not one of $remote_addr, $host, $request_uri, $uri, $http_NAME, $cookie_NAME, $arg_NAME
    # nginx.ingress.kubernetes.io/proxy-next-upstream: "off"
    + attempts 1
    # nginx.ingress.kubernetes.io/proxy-next-upstream: error timeout http_502
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-next-upstream]: only requests that no endpoint has begun to answer are tried again: answers with an error status are passed on, and requests that are not idempotent never repeated once sent
    # nginx.ingress.kubernetes.io/proxy-next-upstream: whatever
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-next-upstream]: "whatever" is not one of off, error, timeout, invalid_header, http_403, http_404, http_429, http_500, http_502, http_503, http_504, non_idempotent
    # nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "2"
    + attempts 2
    # nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "0"
    + attempts 10
    # nginx.ingress.kubernetes.io/proxy-next-upstream-tries: "11"
    + attempts 10
    "#);
}

#[test]
fn our_own() {
    insta::assert_snapshot!(annotated(&[
        "haldane.dev/sticky: cookie",
        "haldane.dev/sticky: cookie seat",
        "haldane.dev/sticky: header X-User",
        "haldane.dev/sticky: user",
        "haldane.dev/on-empty: hold",
        "haldane.dev/on-empty: fail",
        "haldane.dev/weights: a=1, a=2",
        "haldane.dev/weights: a=1, b=9999.9",
        "haldane.dev/active: a\nhaldane.dev/weights: a=1",
        "haldane.dev/active: blue green",
        "haldane.dev/preview-host: green.example.com",
        "haldane.dev/version-label: a b",
        "haldane.dev/mirror: canary=5",
        "haldane.dev/match.canary: headers X-Beta present",
        "haldane.dev/match.: header X-Beta present",
    ]), @r#"
    # haldane.dev/sticky: cookie
    + sticky cookie haldane-ticket
    # haldane.dev/sticky: cookie seat
    + sticky cookie seat
    # haldane.dev/sticky: header X-User
    + sticky header x-user
    # haldane.dev/sticky: user
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/sticky]: "user" is not one of: cookie, cookie NAME, header NAME
    # haldane.dev/on-empty: hold
    + on-empty hold
    # haldane.dev/on-empty: fail
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/on-empty]: "fail" is not one of failover, hold
    # haldane.dev/weights: a=1, a=2
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/weights]: version "a" stands there twice
    # haldane.dev/weights: a=1, b=9999.9
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/weights]: these shares repeat only after 100009 requests, at most 10000 are possible: round them
    # haldane.dev/active: a
    # haldane.dev/weights: a=1
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/active]: excludes haldane.dev/weights: all traffic goes to one version, or it is split
    # haldane.dev/active: blue green
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/active]: "blue green" is not the name of a version: letters, digits, '-', '_' and '.', at most 63
    # haldane.dev/preview-host: green.example.com
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/preview-host]: names a host but no version: haldane.dev/preview is missing
    # haldane.dev/version-label: a b
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/version-label]: "a b" is not the key of a label
    # haldane.dev/mirror: canary=5
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/mirror]: "canary=5" is not VERSION=SHARE%, such as "canary=5%" (at most two decimals)
    # haldane.dev/match.canary: headers X-Beta present
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/match.canary]: "headers" is not one of header, cookie, query, method, source-ip, country
    # haldane.dev/match.: header X-Beta present
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/match.]: "" is not the name of a version: letters, digits, '-', '_' and '.', at most 63
    "#);
}

#[test]
fn unknown_ones() {
    insta::assert_snapshot!(annotated(&[
        "haldane.dev/wieghts: a=1",
        "haldane.dev/something: x",
        "haldane.dev/rollout: auto",
        "haldane.dev/status: ours",
        "nginx.ingress.kubernetes.io/ssl-redirct: \"true\"",
        "nginx.ingress.kubernetes.io/weights: a=1",
        "nginx.ingress.kubernetes.io/something: x",
        "nginx.ingress.kubernetes.io/configuration-snippet: deny all;",
        "nginx.ingress.kubernetes.io/auth-tls-secret: shop/ca",
        "nginx.ingress.kubernetes.io/enable-modsecurity: \"true\"",
        "nginx.ingress.kubernetes.io/proxy-buffering: \"on\"",
        "nginx.ingress.kubernetes.io/app-root: /a\nhaldane.dev/app-root: /b",
        "example.com/anything: x",
    ]), @r#"
    # haldane.dev/wieghts: a=1
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/wieghts]: is no annotation that Haldane knows; did you mean "weights"?
    # haldane.dev/something: x
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/something]: is no annotation that Haldane knows
    # haldane.dev/rollout: auto
    # haldane.dev/status: ours
    # nginx.ingress.kubernetes.io/ssl-redirct: "true"
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/ssl-redirct]: is no annotation that Haldane knows; did you mean "ssl-redirect"?
    # nginx.ingress.kubernetes.io/weights: a=1
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/weights]: has no effect under this prefix: write haldane.dev/weights
    # nginx.ingress.kubernetes.io/something: x
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/something]: is no annotation that Haldane knows
    # nginx.ingress.kubernetes.io/configuration-snippet: deny all;
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/configuration-snippet]: snippets are never executed: what this one does is NOT in force. Write it with annotations (see docs/migrating-from-ingress-nginx.md), and check above all whether it restricted access
    # nginx.ingress.kubernetes.io/auth-tls-secret: shop/ca
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/auth-tls-secret]: client certificates are not asked for by this version: the Ingress is refused rather than served without them
    # nginx.ingress.kubernetes.io/enable-modsecurity: "true"
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/enable-modsecurity]: there is no web application firewall here: requests are NOT filtered
    # nginx.ingress.kubernetes.io/proxy-buffering: "on"
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/proxy-buffering]: bodies are streamed; there is no buffer to set
    # nginx.ingress.kubernetes.io/app-root: /a
    # haldane.dev/app-root: /b
    + warning: web.yaml: Ingress shop/web: metadata.annotations[nginx.ingress.kubernetes.io/app-root]: is overruled by haldane.dev/app-root
    + rule shop/web shop.example.com/ (app-root)
    + match shop.example.com exact /
    + redirect 302 path /b
    # example.com/anything: x
    "#);
}

#[test]
fn nobody_but_the_proxy_writes_what_frames_a_message() {
    insta::assert_snapshot!(annotated(&[
        "haldane.dev/auth-url: http://auth.example.com/\nhaldane.dev/auth-response-headers: X-User, Transfer-Encoding",
        "haldane.dev/auth-url: http://auth.example.com/\nhaldane.dev/auth-response-headers: Proxy-Thing",
    ]), @r#"
    # haldane.dev/auth-url: http://auth.example.com/
    # haldane.dev/auth-response-headers: X-User, Transfer-Encoding
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/auth-response-headers]: "transfer-encoding" is written by the proxy itself
    # haldane.dev/auth-url: http://auth.example.com/
    # haldane.dev/auth-response-headers: Proxy-Thing
    - everything
    + error: web.yaml: Ingress shop/web: metadata.annotations[haldane.dev/auth-response-headers]: "proxy-thing" is written by the proxy itself
    "#);
}

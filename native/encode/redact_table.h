/* SPDX-License-Identifier: MIT */
/*
 * What is secret by default: the one description, of which docs/redaction.md has its tables
 * (scripts/redaction_table.py).
 *
 * RN_TOKENS(ROW): (who issues it and what it is, its pattern). A token begins where no letter or
 * digit stands before it, and ends where none follows. In a pattern %c{n}, %c{n,} and %c{n,m} are
 * so many characters of a class (it takes all that come, up to m), all else is as it is:
 *
 *   %d digits   %h digits and a-f, A-F   %l digits and a-z   %u digits and A-Z   %a letters, digits
 *   %w those and _ -                     %j those and .      %p those and /
 *   %b letters, digits and + / = _ -     %m M, N and O
 *
 * Only the last part may be without an end: so a try takes a time that the pattern bounds. Where a
 * text was cut, what there is of a token is taken for one after three characters of its own.
 */
#ifndef RENACER_ENCODE_REDACT_TABLE_H
#define RENACER_ENCODE_REDACT_TABLE_H

#define RN_TOKENS(ROW)                                                                             \
	ROW("Adafruit IO key", "aio_%a{28}")                                                       \
	ROW("age secret key", "AGE-SECRET-KEY-1%u{58}")                                            \
	ROW("Airtable personal access token", "pat%a{14}.%h{64}")                                  \
	ROW("Alibaba Cloud access key id", "LTAI%a{17,20}")                                        \
	ROW("Anthropic API key", "sk-ant-%w{20,}")                                                 \
	ROW("Artifactory API key", "AKCp%a{69,}")                                                  \
	ROW("Artifactory reference token", "cmVmd%a{59}")                                          \
	ROW("Atlassian API token", "ATATT3%b{100,}")                                               \
	ROW("AWS access key id", "AKIA%u{16}")                                                     \
	ROW("AWS temporary access key id", "ASIA%u{16}")                                           \
	ROW("AWS bearer token of STS", "ABIA%u{16}")                                               \
	ROW("AWS context-specific credential", "ACCA%u{16}")                                       \
	ROW("Azure AD client secret", "%w{3}%d{1}Q~%j{31,34}")                                     \
	ROW("Buildkite token", "bkua_%h{40}")                                                      \
	ROW("CircleCI token", "CCIPAT_%w{40,}")                                                    \
	ROW("Clojars token", "CLOJARS_%l{60}")                                                     \
	ROW("Cloudflare origin CA key", "v1.0-%h{24}-%h{146}")                                     \
	ROW("Contentful token", "CFPAT-%w{43}")                                                    \
	ROW("crates.io token", "cio%a{32}")                                                        \
	ROW("Databricks token", "dapi%h{32}")                                                      \
	ROW("Defined Networking token", "dnkey-%w{26}-%w{52}")                                     \
	ROW("DigitalOcean personal token", "dop_v1_%h{64}")                                        \
	ROW("DigitalOcean OAuth token", "doo_v1_%h{64}")                                           \
	ROW("DigitalOcean refresh token", "dor_v1_%h{64}")                                         \
	ROW("Discord bot token", "%m{1}%w{23,27}.%w{6}.%w{27,}")                                   \
	ROW("Discord webhook", "discord.com/api/webhooks/%p{40,}")                                 \
	ROW("Docker personal access token", "dckr_pat_%w{27,}")                                    \
	ROW("Docker organization token", "dckr_oat_%w{27,}")                                       \
	ROW("Doppler token", "dp.pt.%a{40,}")                                                      \
	ROW("Dropbox token", "sl.%w{130,}")                                                        \
	ROW("Duffel token", "duffel_live_%w{43}")                                                  \
	ROW("Dynatrace token", "dt0c01.%u{24}.%u{64}")                                             \
	ROW("EasyPost API key", "EZAK%a{54}")                                                      \
	ROW("Facebook access token", "EAA%a{80,}")                                                 \
	ROW("Figma token", "figd_%w{40,}")                                                         \
	ROW("Fly.io token", "fo1_%w{43,}")                                                         \
	ROW("Fly.io macaroon", "fm2_%b{80,}")                                                      \
	ROW("Frame.io token", "fio-u-%w{64}")                                                      \
	ROW("GitHub personal access token", "ghp_%a{36,}")                                         \
	ROW("GitHub fine-grained token", "github_pat_%w{22,}")                                     \
	ROW("GitHub OAuth token", "gho_%a{36,}")                                                   \
	ROW("GitHub server token", "ghs_%a{36,}")                                                  \
	ROW("GitHub user token", "ghu_%a{36,}")                                                    \
	ROW("GitHub refresh token", "ghr_%a{36,}")                                                 \
	ROW("GitLab personal access token", "glpat-%w{20,}")                                       \
	ROW("GitLab deploy token", "gldt-%w{20,}")                                                 \
	ROW("GitLab runner token", "glrt-%w{20,}")                                                 \
	ROW("GitLab CI job token", "glcbt-%w{20,}")                                                \
	ROW("GitLab trigger token", "glptt-%w{20,}")                                               \
	ROW("GitLab agent token", "glagent-%w{20,}")                                               \
	ROW("GitLab OAuth secret", "gloas-%w{20,}")                                                \
	ROW("GitLab registration token", "GR1348941%w{20,}")                                       \
	ROW("Google API key", "AIza%w{35,}")                                                       \
	ROW("Google OAuth access token", "ya29.%w{20,}")                                           \
	ROW("Google OAuth client secret", "GOCSPX-%w{28,}")                                        \
	ROW("Google OAuth refresh token", "1//0%w{40,}")                                           \
	ROW("Grafana service account token", "glsa_%a{32}_%h{8}")                                  \
	ROW("Grafana Cloud token", "glc_%b{32,}")                                                  \
	ROW("Groq API key", "gsk_%a{48,}")                                                         \
	ROW("Heroku API key", "HRKU-%w{36,}")                                                      \
	ROW("Honeycomb ingest key", "hcaik_%l{58,}")                                               \
	ROW("Hugging Face user token", "hf_%a{34,}")                                               \
	ROW("Hugging Face organization token", "api_org_%a{34,}")                                  \
	ROW("Infracost API key", "ico-%a{32}")                                                     \
	ROW("JSON Web Token", "eyJ%j{30,}")                                                        \
	ROW("Linear API key", "lin_api_%a{40,}")                                                   \
	ROW("Mailchimp API key", "%h{32}-us%d{1,2}")                                               \
	ROW("Mailgun API key", "key-%h{32}")                                                       \
	ROW("MongoDB Atlas service account", "mdb_sa_sk_%w{40,}")                                  \
	ROW("Netlify token", "nfp_%a{36,}")                                                        \
	ROW("New Relic user key", "NRAK-%u{27}")                                                   \
	ROW("New Relic ingest key", "NRII-%w{32}")                                                 \
	ROW("Notion integration secret", "secret_%a{43}")                                          \
	ROW("Notion token", "ntn_%a{40,}")                                                         \
	ROW("npm token", "npm_%a{36,}")                                                            \
	ROW("NuGet API key", "oy2%l{43}")                                                          \
	ROW("OpenAI project key", "sk-proj-%w{20,}")                                               \
	ROW("OpenAI service account key", "sk-svcacct-%w{20,}")                                    \
	ROW("OpenAI admin key", "sk-admin-%w{20,}")                                                \
	ROW("OpenAI API key", "sk-%a{40,}")                                                        \
	ROW("PayPal access token", "access_token$production$%l{16}$%h{32}")                        \
	ROW("Perplexity API key", "pplx-%a{40,}")                                                  \
	ROW("PlanetScale token", "pscale_tkn_%j{32,}")                                             \
	ROW("PlanetScale password", "pscale_pw_%j{32,}")                                           \
	ROW("PlanetScale OAuth token", "pscale_oauth_%j{32,}")                                     \
	ROW("Postman API key", "PMAK-%h{24}-%h{34}")                                               \
	ROW("Prefect API key", "pnu_%a{36}")                                                       \
	ROW("Pulumi access token", "pul-%h{40}")                                                   \
	ROW("PyPI token", "pypi-%w{50,}")                                                          \
	ROW("ReadMe API key", "rdme_%l{70}")                                                       \
	ROW("Replicate API token", "r8_%a{37,}")                                                   \
	ROW("RubyGems API key", "rubygems_%h{48}")                                                 \
	ROW("Scalingo token", "tk-us-%w{48}")                                                      \
	ROW("SendGrid API key", "SG.%w{20,24}.%w{39,}")                                            \
	ROW("Brevo API key", "xkeysib-%h{64}-%a{16}")                                              \
	ROW("Sentry organization token", "sntrys_%b{40,}")                                         \
	ROW("Sentry user token", "sntryu_%h{64}")                                                  \
	ROW("Shippo token", "shippo_live_%h{40}")                                                  \
	ROW("Shopify access token", "shpat_%h{32}")                                                \
	ROW("Shopify custom app token", "shpca_%h{32}")                                            \
	ROW("Shopify private app token", "shppa_%h{32}")                                           \
	ROW("Shopify shared secret", "shpss_%h{32}")                                               \
	ROW("Slack bot token", "xoxb-%w{20,}")                                                     \
	ROW("Slack user token", "xoxp-%w{20,}")                                                    \
	ROW("Slack workspace token", "xoxa-%w{20,}")                                               \
	ROW("Slack refresh token", "xoxr-%w{20,}")                                                 \
	ROW("Slack session token", "xoxs-%w{20,}")                                                 \
	ROW("Slack client token", "xoxc-%w{20,}")                                                  \
	ROW("Slack cookie token", "xoxd-%b{20,}")                                                  \
	ROW("Slack configuration token", "xoxe%j{20,}")                                            \
	ROW("Slack app token", "xapp-%w{20,}")                                                     \
	ROW("Slack webhook", "hooks.slack.com/services/%p{20,}")                                   \
	ROW("SonarQube user token", "squ_%h{40}")                                                  \
	ROW("SonarQube project token", "sqp_%h{40}")                                               \
	ROW("Sourcegraph token", "sgp_%w{40,}")                                                    \
	ROW("Square access token", "EAAA%w{58,}")                                                  \
	ROW("Square personal token", "sq0atp-%w{22}")                                              \
	ROW("Square OAuth secret", "sq0csp-%w{43}")                                                \
	ROW("Stripe secret key", "sk_live_%a{16,}")                                                \
	ROW("Stripe test secret key", "sk_test_%a{16,}")                                           \
	ROW("Stripe restricted key", "rk_live_%a{16,}")                                            \
	ROW("Stripe test restricted key", "rk_test_%a{16,}")                                       \
	ROW("Stripe webhook secret", "whsec_%b{32,}")                                              \
	ROW("Supabase token", "sbp_%h{40}")                                                        \
	ROW("Supabase secret key", "sb_secret_%w{20,}")                                            \
	ROW("Tailscale key", "tskey-%w{20,}")                                                      \
	ROW("Telegram bot token", "%d{8,10}:AA%w{32,}")                                            \
	ROW("Terraform Cloud token", "%a{14}.atlasv1.%w{60,}")                                     \
	ROW("Twilio API key", "SK%h{32}")                                                          \
	ROW("Typeform token", "tfp_%w{40,}")                                                       \
	ROW("Vault service token", "hvs.%w{24,}")                                                  \
	ROW("Vault batch token", "hvb.%w{24,}")                                                    \
	ROW("Vault recovery token", "hvr.%w{24,}")                                                 \
	ROW("xAI API key", "xai-%a{70,}")                                                          \
	ROW("Yandex Cloud API key", "AQVN%w{35,38}")

/*
 * RN_KEYS(ROW): (name, which names it means). The value of such a name is secret: name=value,
 * name: value, "name": "value", --name value. Letters of either case; _ - and . are not looked at,
 * nor are digits at the end.
 *
 *   ENDS   the name ends so
 *   PART   it ends so, and what is before ends with _ - or . or a small letter before a capital
 *   HEADER as ENDS; all that follows on the line is secret
 */
enum rn_key_how { RN_KEY_ENDS, RN_KEY_PART, RN_KEY_HEADER };

#define RN_KEYS(ROW)                                                                               \
	ROW("password", ENDS)                                                                      \
	ROW("passwd", ENDS)                                                                        \
	ROW("passphrase", ENDS)                                                                    \
	ROW("passcode", ENDS)                                                                      \
	ROW("pass", PART)                                                                          \
	ROW("pwd", PART)                                                                           \
	ROW("pw", PART)                                                                            \
	ROW("mysqlpwd", ENDS)                                                                      \
	ROW("secret", ENDS)                                                                        \
	ROW("secretkeybase", ENDS)                                                                 \
	ROW("token", ENDS)                                                                         \
	ROW("jwt", PART)                                                                           \
	ROW("apikey", ENDS)                                                                        \
	ROW("accesskey", ENDS)                                                                     \
	ROW("accesskeyid", ENDS)                                                                   \
	ROW("secretkey", ENDS)                                                                     \
	ROW("privatekey", ENDS)                                                                    \
	ROW("accountkey", ENDS)                                                                    \
	ROW("authkey", ENDS)                                                                       \
	ROW("signingkey", ENDS)                                                                    \
	ROW("encryptionkey", ENDS)                                                                 \
	ROW("masterkey", ENDS)                                                                     \
	ROW("storagekey", ENDS)                                                                    \
	ROW("servicekey", ENDS)                                                                    \
	ROW("sessionkey", ENDS)                                                                    \
	ROW("licensekey", ENDS)                                                                    \
	ROW("webhookkey", ENDS)                                                                    \
	ROW("credential", ENDS)                                                                    \
	ROW("credentials", ENDS)                                                                   \
	ROW("auth", PART)                                                                          \
	ROW("oauth2bearer", ENDS)                                                                  \
	ROW("signature", ENDS)                                                                     \
	ROW("sig", PART)                                                                           \
	ROW("sas", PART)                                                                           \
	ROW("psk", PART)                                                                           \
	ROW("otp", PART)                                                                           \
	ROW("sessionid", ENDS)                                                                     \
	ROW("sessid", ENDS)                                                                        \
	ROW("connectionstring", ENDS)                                                              \
	ROW("authorization", HEADER)                                                               \
	ROW("cookie", HEADER)

/*
 * RN_FLAGS(ROW): (programs, flag, which part of its value is secret). "*": any program. The value
 * is the next word, or tied to the flag; a program may stand behind others (sudo, env).
 *
 *   NEXT   all of the next word           TIED   all that is tied to it
 *   EITHER all of either                  USER   of either what is behind a colon
 *   PERCENT, COMMA, SLASH: of either what is behind that character
 *   LOGIN  as EITHER, where a word "login" came before
 */
enum rn_secret {
	RN_SECRET_NONE,
	RN_SECRET_NEXT,
	RN_SECRET_TIED,
	RN_SECRET_EITHER,
	RN_SECRET_USER,
	RN_SECRET_PERCENT,
	RN_SECRET_COMMA,
	RN_SECRET_SLASH,
	RN_SECRET_LOGIN
};

#define RN_FLAGS(ROW)                                                                              \
	ROW("mysql mysqladmin mysqlbinlog mysqlcheck mysqldump mysqlimport mysqlpump mysqlshow "   \
	    "mysqlslap mysqlsh mysql_upgrade mariadb mariadb-admin mariadb-backup "                \
	    "mariadb-binlog mariadb-check mariadb-dump mariadb-import mariadb-show mycli "         \
	    "xtrabackup",                                                                          \
	    "-p", TIED)                                                                            \
	ROW("mongo mongosh mongodump mongorestore mongoexport mongoimport mongostat mongotop",     \
	    "-p", EITHER)                                                                          \
	ROW("sshpass", "-p", EITHER)                                                               \
	ROW("curl", "-U", USER)                                                                    \
	ROW("curl", "-b", EITHER)                                                                  \
	ROW("curl", "-E", USER)                                                                    \
	ROW("curl", "--cert", USER)                                                                \
	ROW("http https xh xhs", "-a", USER)                                                       \
	ROW("ab", "-A", USER)                                                                      \
	ROW("ab", "-P", USER)                                                                      \
	ROW("lftp", "-u", COMMA)                                                                   \
	ROW("redis-cli valkey-cli", "-a", EITHER)                                                  \
	ROW("ldapsearch ldapmodify ldapadd ldapdelete ldapmodrdn ldapwhoami ldapcompare", "-w",    \
	    EITHER)                                                                                \
	ROW("ldappasswd", "-w", EITHER)                                                            \
	ROW("ldappasswd", "-s", EITHER)                                                            \
	ROW("ldappasswd", "-a", EITHER)                                                            \
	ROW("smbclient rpcclient smbget smbcacls smbpasswd net", "-U", PERCENT)                    \
	ROW("sqlcmd bcp osql isql tsql", "-P", EITHER)                                             \
	ROW("zip unzip zipcloak", "-P", EITHER)                                                    \
	ROW("7z 7za 7zr 7zz rar unrar", "-p", TIED)                                                \
	ROW("ssh-keygen", "-N", EITHER)                                                            \
	ROW("ssh-keygen", "-P", EITHER)                                                            \
	ROW("openssl", "-k", NEXT)                                                                 \
	ROW("openssl", "-K", NEXT)                                                                 \
	ROW("ipmitool", "-P", EITHER)                                                              \
	ROW("snmpget snmpgetnext snmpset snmpwalk snmpbulkwalk snmpbulkget snmptable", "-A", NEXT) \
	ROW("snmpget snmpgetnext snmpset snmpwalk snmpbulkwalk snmpbulkget snmptable", "-X", NEXT) \
	ROW("snmpget snmpgetnext snmpset snmpwalk snmpbulkwalk snmpbulkget snmptable", "-c", NEXT) \
	ROW("plink pscp psftp putty", "-pw", NEXT)                                                 \
	ROW("useradd usermod", "-p", EITHER)                                                       \
	ROW("xfreerdp wlfreerdp xfreerdp3 sdl-freerdp", "/p:", TIED)                               \
	ROW("docker podman nerdctl buildah skopeo helm oras crane az heroku cf oc flyctl", "-p",   \
	    LOGIN)                                                                                 \
	ROW("sqlplus sqlldr expdp impdp exp imp rman", "", SLASH)                                  \
	ROW("*", "-u", USER)                                                                       \
	ROW("*", "--user", USER)                                                                   \
	ROW("*", "--proxy-user", USER)

#endif

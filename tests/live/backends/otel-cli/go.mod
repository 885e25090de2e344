module example.test/otel-cli

go 1.24.6

require github.com/equinix-labs/otel-cli v0.4.5

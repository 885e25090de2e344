// SPDX-License-Identifier: MIT

//go:build tools

package otelcli

import _ "github.com/equinix-labs/otel-cli"

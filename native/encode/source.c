/* SPDX-License-Identifier: MIT */
#include "renacer/encode.h"

const char *rn_source_how(const struct rn_site *site)
{
	switch ((enum rn_source_how)site->how) {
	case RN_SOURCE_DIRECT:
		return "direct";
	case RN_SOURCE_CFI:
		return "cfi";
	case RN_SOURCE_NONE:
		return "none";
	case RN_SOURCE_ABI:
		return "abi";
	case RN_SOURCE_LOST:
		break;
	}
	return "lost";
}

# Copyright (c) mmhand_dne contributors. Licensed under Apache-2.0.

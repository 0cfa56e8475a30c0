// SPDX-License-Identifier: BSL-1.0
/// \file
/// TCP: connecting, accepting, bytes both ways.
#pragma once

#include <thole/close_gracefully.hpp>
#include <thole/connect.hpp>
#include <thole/connect_by_list.hpp>
#include <thole/connect_by_name.hpp>
#include <thole/detached_socket.hpp>
#include <thole/listener.hpp>
#include <thole/pair.hpp>
#include <thole/receive.hpp>
#include <thole/socket.hpp>
#include <thole/transfer.hpp>
